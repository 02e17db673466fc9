//! Which relay serves a request: the region, and its share of the load.
//!
//! Regions are the location hints of Durable Objects
//! (<https://developers.cloudflare.com/durable-objects/reference/data-location/>).

/// Where nobody says where a request is from, as in a local runtime.
const ANYWHERE: &str = "any";

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayName {
    /// The name of its Durable Object.
    pub name: String,
    /// The location hint for it, if there is one.
    pub hint: Option<&'static str>,
}

impl RelayName {
    /// For an isolate that meets a request from this continent (two letters, as the platform has them)
    /// and longitude, in whole degrees. `random` chooses among `relays_per_region`.
    #[must_use]
    pub fn choose(
        continent: &str,
        longitude: Option<i32>,
        random: u64,
        relays_per_region: u32,
    ) -> Self {
        let share = random % u64::from(relays_per_region.max(1));
        Self::numbered(hint(continent, longitude), share)
    }

    /// For a leash in the same region. `of` is what it has in common with those that must be at the same
    /// relay, and `full` how many of the relays that it would be at have no room: behind those that share
    /// the load there are others, which hold leashes alone.
    #[must_use]
    pub fn of_leash(&self, of: u32, full: u32, relays_per_region: u32) -> Self {
        let relays = relays_per_region.max(1);
        let number = u64::from(of % relays) + u64::from(full) * u64::from(relays);
        Self::numbered(self.hint, number)
    }

    fn numbered(hint: Option<&'static str>, number: u64) -> Self {
        Self { name: format!("{}-{number}", hint.unwrap_or(ANYWHERE)), hint }
    }
}

/// The nearest location hint.
fn hint(continent: &str, longitude: Option<i32>) -> Option<&'static str> {
    let is_west_of = |line: i32| longitude.is_none_or(|longitude| longitude < line);
    Some(match continent {
        "AF" => "afr",
        // Of Asia, what is nearer to the Gulf than to Singapore.
        "AS" if longitude.is_some() && is_west_of(65) => "me",
        "AS" => "apac",
        "EU" if is_west_of(16) => "weur",
        "EU" => "eeur",
        "NA" if longitude.is_some() && is_west_of(-100) => "wnam",
        "NA" => "enam",
        "OC" | "AN" => "oc",
        "SA" => "sam",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_near_and_one_of_few() {
        for (continent, longitude, name, hint) in [
            ("EU", Some(2), "weur-1", Some("weur")),
            ("EU", Some(21), "eeur-1", Some("eeur")),
            ("EU", None, "weur-1", Some("weur")),
            ("NA", Some(-122), "wnam-1", Some("wnam")),
            ("NA", Some(-74), "enam-1", Some("enam")),
            ("NA", None, "enam-1", Some("enam")),
            ("AS", Some(55), "me-1", Some("me")),
            ("AS", Some(139), "apac-1", Some("apac")),
            ("AS", None, "apac-1", Some("apac")),
            ("SA", None, "sam-1", Some("sam")),
            ("AF", None, "afr-1", Some("afr")),
            ("OC", None, "oc-1", Some("oc")),
            ("AN", None, "oc-1", Some("oc")),
            ("", None, "any-1", None),
            ("T1", None, "any-1", None),
        ] {
            let relay = RelayName::choose(continent, longitude, 7, 3);
            assert_eq!((relay.name.as_str(), relay.hint), (name, hint), "{continent}");
        }
        assert_eq!(RelayName::choose("EU", None, 7, 1).name, "weur-0");
    }

    #[test]
    fn leashes_have_a_relay_in_common_and_another_where_that_is_full() {
        let relay = RelayName::choose("EU", None, 7, 1);
        for (of, full, relays, name) in [
            (7, 0, 1, "weur-0"),
            (7, 2, 1, "weur-2"),
            (7, 0, 4, "weur-3"),
            (7, 1, 4, "weur-7"),
            (8, 1, 4, "weur-4"),
        ] {
            assert_eq!(relay.of_leash(of, full, relays).name, name);
        }
        assert_eq!(RelayName::choose("", None, 0, 1).of_leash(0, 1, 1).name, "any-1");
    }
}
