//! `edgeward keygen`: keys and passwords, and how to store them.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rsa::KeySize;
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use edgeward::core::algorithm::{Algorithm, Family};
use serde_json::{Map, Value, json};

use super::crypto::PrivateKey;
use super::keys::{NoKey, encode, random, thumbprint};
use super::output::{Exit, Failure, Progress, QUIET, say, say_beside, say_json};

/// The key that signs assertions, and the password of the admin.
const ASSERTION_KEY: &str = "assertion-key";
const ADMIN_TOKEN: &str = "admin-token";

/// The length of an RSA key, unless somebody asks for another.
const USUAL_BITS: &str = "2048";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The algorithm that the key is for, or which secret of the gate itself
    #[arg(value_parser = kinds(), ignore_case = true)]
    kind: String,
    /// How a key is written
    #[arg(long, value_enum, default_value_t = Format::Jwk)]
    format: Format,
    /// The length of an RSA key
    #[arg(long, default_value = USUAL_BITS, value_parser = ["2048", "3072", "4096", "8192"])]
    bits: String,
    /// The name of the key, which tokens use; else the hash of the key (RFC 7638)
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Where the private key or the password goes, readable for nobody else; else to standard output
    #[arg(long, value_name = "FILE")]
    private: Option<PathBuf>,
    /// Where the public key goes; else to standard output
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// Overwrite files
    #[arg(long)]
    force: bool,
    /// The name of the secret in the commands that store it
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// The environment of wrangler in these commands
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON Web Key
    Jwk,
    /// PKCS#8 and SPKI
    Pem,
}

/// What was made.
struct Made {
    kid: Option<String>,
    private: String,
    /// Of a shared secret or a password there is none.
    public: Option<String>,
    /// The same for programs.
    json: Value,
    /// The name of the secret, and whether it is the public half that is stored.
    secret: &'static str,
    stores_public: bool,
}

fn kinds() -> PossibleValuesParser {
    let own = [ASSERTION_KEY, ADMIN_TOKEN];
    PossibleValuesParser::new(Algorithm::ALL.into_iter().map(Algorithm::name).chain(own))
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<Exit, Failure> {
    let made = make(arguments).map_err(|NoKey(why)| Failure::usage(why))?;
    if let (Some(path), None) = (&arguments.public, &made.public) {
        return Err(Failure::usage(format!(
            "{} has no public half; leave --public {} out",
            arguments.kind,
            path.display()
        )));
    }
    let files = [
        (arguments.private.as_deref(), Some(made.private.as_str()), Readers::Owner),
        (arguments.public.as_deref(), made.public.as_deref(), Readers::All),
    ];
    if arguments.private.is_some() && arguments.private == arguments.public {
        return Err(Failure::usage(
            "--private and --public name the same file; the public half would take the place of the key",
        ));
    }
    for (path, _, _) in files {
        if let Some(path) = path.filter(|path| !arguments.force && path.exists()) {
            return Err(Failure::usage(format!(
                "{} exists; name another file, or overwrite it with --force",
                path.display()
            )));
        }
    }
    for (path, text, readers) in files {
        if let (Some(path), Some(text)) = (path, text) {
            write(path, text, readers, arguments.force)?;
        }
    }
    let commands = commands(arguments, &made);
    if as_json {
        let Value::Object(mut told) = made.json else { return Ok(Exit::Good) };
        if arguments.private.is_some() {
            told.remove("private");
        }
        told.insert("commands".to_owned(), commands.into());
        say_json(&told.into());
        return Ok(Exit::Good);
    }
    if arguments.private.is_none() {
        say(&made.private);
    }
    if let (None, Some(public)) = (&arguments.public, &made.public) {
        say(public);
    }
    // Beside, so that standard output is the key and can be piped.
    let mut beside = Vec::new();
    for (path, text, what) in [
        (&arguments.private, Some(&made.private), "private"),
        (&arguments.public, made.public.as_ref(), "public"),
    ] {
        if let (Some(path), Some(_)) = (path, text) {
            beside.push(format!("wrote {} ({what})\n", path.display()));
        }
    }
    beside.extend(made.kid.as_ref().map(|kid| format!("{QUIET}# kid {kid}{QUIET:#}\n")));
    let is_in_file = arguments.private.is_some() || arguments.public.is_some();
    let what = if is_in_file { "store it" } else { "or make and store one" };
    let store = |command| format!("{QUIET}# {what}:{QUIET:#} {command}\n");
    beside.extend(commands.into_iter().map(store));
    say_beside(&beside.concat());
    Ok(Exit::Good)
}

fn make(arguments: &Arguments) -> Result<Made, NoKey> {
    if arguments.kind == ADMIN_TOKEN {
        let password = encode(&random::<32>()?);
        return Ok(Made {
            kid: None,
            private: format!("{password}\n"),
            public: None,
            json: json!({ "kind": ADMIN_TOKEN, "private": password }),
            secret: "ADMIN_TOKEN",
            stores_public: false,
        });
    }
    let is_for_assertions = arguments.kind == ASSERTION_KEY;
    let algorithm = Algorithm::ALL
        .into_iter()
        .find(|one| one.name().eq_ignore_ascii_case(&arguments.kind))
        .unwrap_or(Algorithm::EdDsa);
    if is_for_assertions && arguments.format == Format::Pem {
        return Err(NoKey("the gate takes its assertion key as a JWK; leave --format out".into()));
    }
    if arguments.format == Format::Pem && arguments.kid.is_some() {
        return Err(NoKey("PEM has no place for a name; leave --kid out".to_owned()));
    }
    let bits = match arguments.bits.as_str() {
        "8192" => KeySize::Rsa8192,
        "4096" => KeySize::Rsa4096,
        "3072" => KeySize::Rsa3072,
        _ => KeySize::Rsa2048,
    };
    let key = {
        let _progress = Progress::of(format!("making a key for {}", arguments.kind));
        PrivateKey::generate(algorithm, bits)?
    };
    let private_jwk = key.private_jwk()?;
    let kid = arguments.kid.clone().unwrap_or_else(|| thumbprint(&private_jwk));
    let named = |mut jwk: Map<String, Value>| {
        jwk.insert("kid".to_owned(), kid.as_str().into());
        jwk.insert("alg".to_owned(), algorithm.name().into());
        jwk.insert("use".to_owned(), "sig".into());
        Value::Object(jwk)
    };
    let (private_jwk, public_jwk) = (named(private_jwk), key.public_jwk().map(named));
    let (private, public) = match arguments.format {
        Format::Jwk => {
            let line = |jwk: &Value| format!("{jwk}\n");
            (line(&private_jwk), public_jwk.as_ref().map(line))
        }
        Format::Pem => (key.private_pem()?, Some(key.public_pem()?)),
    };
    let as_value = |text: &String, jwk: Value| match arguments.format {
        Format::Jwk => jwk,
        Format::Pem => text.as_str().into(),
    };
    let mut json = json!({ "kind": arguments.kind, "kid": kid });
    if let Value::Object(members) = &mut json {
        members.insert("private".to_owned(), as_value(&private, private_jwk));
        if let (Some(text), Some(jwk)) = (&public, public_jwk) {
            members.insert("public".to_owned(), as_value(text, jwk));
        }
    }
    // PEM has no place for a name.
    let kid = Some(kid).filter(|_| arguments.format == Format::Jwk);
    if is_for_assertions {
        // Its public half is at /jwks.json of the gate, and in the way where the key is piped.
        let public = public.filter(|_| arguments.public.is_some());
        let secret = "ASSERTION_KEY";
        return Ok(Made { kid, private, public, json, secret, stores_public: false });
    }
    let stores_public = algorithm.family() != Family::Hmac;
    Ok(Made { kid, private, public, json, secret: "JWT_KEYS", stores_public })
}

/// How to store it, with the secret in no argument, where the list of processes would show it.
fn commands(arguments: &Arguments, made: &Made) -> Vec<String> {
    let Arguments { private, public, .. } = arguments;
    let name = arguments.secret.as_deref().unwrap_or(made.secret);
    let env = arguments.env.as_ref().map(|env| format!(" --env {}", quoted(env)));
    let store = format!("npx wrangler secret put {name}{}", env.unwrap_or_default());
    let file = if made.stores_public { public } else { private };
    let again = same_again(arguments);
    vec![match file {
        Some(file) => format!("{store} < {}", quoted(&file.display().to_string())),
        None if made.stores_public => {
            format!("{again} --private private.key --public public.key && {store} < public.key")
        }
        // Nobody else needs it.
        None if arguments.kind == ASSERTION_KEY => format!("{again} | {store}"),
        None => format!("{again} --private secret.key && {store} < secret.key"),
    }]
}

/// What makes a key like this one, but for where it goes.
fn same_again(Arguments { kind, format, bits, kid, .. }: &Arguments) -> String {
    let mut command = format!("edgeward keygen {kind}");
    if *format == Format::Pem {
        command.push_str(" --format pem");
    }
    if bits != USUAL_BITS {
        let _ = write!(command, " --bits {bits}");
    }
    if let Some(kid) = kid {
        // In one piece, since it may begin with a dash.
        let _ = write!(command, " --kid={}", quoted(kid));
    }
    command
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Owner,
    All,
}

fn write(path: &Path, text: &str, readers: Readers, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if readers == Readers::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _everybody_of_this_user = readers;
    if force {
        // A new file, so that the mode of an old one does not stay.
        match fs::remove_file(path) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(path, &fault));
            }
            _ => {}
        }
    }
    let mut file = options.create_new(true).open(path).map_err(|fault| unwritable(path, &fault))?;
    file.write_all(text.as_bytes()).map_err(|fault| unwritable(path, &fault))
}

fn unwritable(path: &Path, fault: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be written: {fault}", path.display()))
}
