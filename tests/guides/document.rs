//! A guide as its reader finds it: sections with blocks and tables.

/// What stands below one heading of the second level, up to the next one.
#[derive(Debug, Default)]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
    pub tables: Vec<Table>,
}

/// A fenced block.
#[derive(Debug, Default)]
pub struct Block {
    /// What stands behind the fence.
    pub language: String,
    pub text: String,
}

/// The cells of a table, with the code marks taken off.
#[derive(Debug, Default)]
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Reads a guide.
pub fn sections(guide: &str) -> Vec<Section> {
    let path = format!("{}/docs/{guide}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut sections: Vec<Section> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push(Section { title: title.to_owned(), ..Section::default() });
        }
        let Some(section) = sections.last_mut() else { continue };
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text: String = inside.flat_map(|line| [line, "\n"]).collect();
            section.blocks.push(Block { language: language.to_owned(), text });
        } else if line.starts_with('|') {
            let mut table = Table { head: cells(line), rows: Vec::new() };
            lines.next().filter(|line| line.starts_with("|--")).expect("the rule below the head");
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                table.rows.push(cells(row));
                assert_eq!(table.head.len(), table.rows.last().unwrap().len(), "{row}");
            }
            section.tables.push(table);
        }
    }
    sections
}

/// The cells of a row. Code marks count only around a whole cell.
fn cells(row: &str) -> Vec<String> {
    let inner = row.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')).expect(row);
    let bare = |cell: &str| {
        let cell = cell.trim();
        let code = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        code.filter(|code| !code.contains('`')).unwrap_or(cell).to_owned()
    };
    inner.split('|').map(bare).collect()
}

impl Section {
    /// The configurations of a section: each block that is a whole table, and each other one put behind
    /// the last of these.
    pub fn configurations(&self) -> Vec<String> {
        let mut whole = String::new();
        let toml = self.blocks.iter().filter(|block| block.language == "toml");
        toml.map(|block| {
            if block.text.starts_with("[vars.AUTH]\n") {
                whole.clone_from(&block.text);
                return whole.clone();
            }
            assert!(!whole.is_empty(), "{}: an addition to nothing", self.title);
            format!("{whole}\n{}", block.text)
        })
        .collect()
    }

    /// The table with this in its first cell.
    pub fn table(&self, first: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.head[0] == first)
    }
}

#[test]
fn a_guide_is_read_with_its_blocks_and_tables() {
    let sections = sections("providers.md");
    let okta = sections.iter().find(|section| section.title == "Okta").unwrap();
    let [first, second] = &okta.configurations()[..] else { panic!("{okta:?}") };
    assert!(
        second.starts_with(first.as_str())
            && second.contains("[vars.AUTH.providers.introspection]")
    );
    let reasons = okta.table("reason").unwrap();
    assert_eq!(reasons.head, ["reason", "here usually"]);
    assert_eq!(reasons.rows[0][0], "unknown_issuer");
}
