//! The test page as it is served: which files, with which headers, and when not at all.

use std::fs;

use tempfile::TempDir;

use super::harness::{gate::ADMIN_TOKEN, gate::build_directory, guide::document, *};

const FILES: [(&str, &str, &str); 5] = [
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/page.js", "page.js", "text/javascript; charset=utf-8"),
    ("/page.css", "page.css", "text/css; charset=utf-8"),
    ("/page.wasm", "page.wasm", "application/wasm"),
    ("/icon.svg", "icon.svg", "image/svg+xml"),
];

/// The built page, and beside it what nobody is to see.
fn assets() -> TempDir {
    let directory = TempDir::new().unwrap();
    for (_, file, _) in FILES {
        fs::copy(build_directory().join("www").join(file), directory.path().join(file)).unwrap();
    }
    fs::create_dir(directory.path().join("below")).unwrap();
    for file in ["other.txt", "below/page.js"] {
        fs::write(directory.path().join(file), "not for anybody").unwrap();
    }
    directory
}

#[tokio::test]
async fn every_file_of_the_page_is_served_as_it_was_built_to_anyone() {
    let (origin, assets) = (Origin::start().await, assets());
    let gate = Gate::start(Setup::new(&origin).test_page(assets.path())).await;
    let guide = document("docs/testpage.md");
    let policy = guide.lines().skip_while(|line| !line.starts_with("    default-src"));
    let policy: Vec<_> = policy.map_while(|line| line.strip_prefix("    ")).collect();
    let policy = policy.join(" ");
    assert!(policy.ends_with("connect-src 'self'"), "{policy}");
    for (path, file, content_type) in FILES {
        let reply = get(&format!("/_edgeward{path}")).send(&gate).await;
        reply.must_pass();
        assert_eq!(reply.body, fs::read(assets.path().join(file)).unwrap(), "{file}");
        assert_eq!(reply.header("content-type"), [content_type], "{file}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(reply.header(name), [value], "{file}");
        }
        assert_eq!(reply.header("content-security-policy"), [&policy], "{file}");
        let head = request("HEAD", &format!("/_edgeward{path}")).send(&gate).await;
        assert_eq!((head.status, head.header("content-type")), (200, vec![content_type]));
    }
    let moved = get("/_edgeward?x").send(&gate).await;
    assert_eq!((moved.status, moved.header("location")), (307, vec!["/_edgeward/"]));
    let posted = request("POST", "/_edgeward/").send(&gate).await;
    posted.must_be(405, "method_not_allowed");
    origin.must_be_untouched();
    gate.must_be_calm();
}

#[tokio::test]
async fn nothing_else_among_the_assets_can_be_reached_in_any_spelling() {
    let (origin, assets) = (Origin::start().await, assets());
    let gate = Gate::start(Setup::new(&origin).test_page(assets.path())).await;
    for path in [
        "/_edgeward/index.html",
        "/_edgeward/other.txt",
        "/_edgeward/below/page.js",
        "/_edgeward/below/../other.txt",
        "/_edgeward/../other.txt",
        "/_edgeward/%2e%2e/other.txt",
        "/_edgeward/..%2fother.txt",
        "/_edgeward//other.txt",
        "/_edgeward/page.js/",
        "/_edgeward/page.js/../other.txt",
        "/_edgeward/page.js%00.txt",
        "/_edgeward/page%2ejs",
        "/_edgeward/PAGE.JS",
        "/_edgeward\\page.js\\..\\other.txt",
        "/page.js",
        "/index.html",
        "/other.txt",
    ] {
        let reply = get(path).send(&gate).await;
        assert!([400, 401, 404].contains(&reply.status), "{path}: {}", reply.status);
        assert_eq!(reply.header("content-type"), ["application/problem+json"], "{path}");
    }
    origin.must_be_untouched();
    gate.must_be_calm();
}

#[tokio::test]
async fn without_the_switch_there_is_no_page_whatever_is_bound() {
    let (origin, assets) = (Origin::start().await, assets());
    let setup = Setup::new(&origin).test_page(assets.path()).set("test_page", false);
    let gate = Gate::start(setup).await;
    for path in ["", "/", "/page.js", "/page.wasm", "/index.html"] {
        get(&format!("/_edgeward{path}")).send(&gate).await.must_be(404, "not_found");
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn without_its_files_the_page_says_so_and_everything_else_goes_on() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("test_page", true)).await;
    for path in ["", "/", "/page.js"] {
        let reply = get(&format!("/_edgeward{path}")).send(&gate).await;
        reply.must_be(503, "misconfigured");
        assert!(reply.text().contains("no binding ASSETS"), "{}", reply.text());
    }
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    let report = gate.report().await;
    assert_eq!(report["status"], "ready");
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("AUTH.test_page: true, but there is no binding ASSETS"),
        "{warnings}"
    );
    gate.logged(&["AUTH.test_page", "ASSETS"]).await;
    let empty = TempDir::new().unwrap();
    let gate = Gate::start(Setup::new(&origin).test_page(empty.path())).await;
    let reply = get("/_edgeward/page.js").send(&gate).await;
    reply.must_be(503, "misconfigured");
    assert!(reply.text().contains("/page.js is no asset: make build"), "{}", reply.text());
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    gate.must_be_calm();
}

#[tokio::test]
async fn the_settings_are_for_the_admin_alone_and_have_no_secret() {
    let origin = Origin::start().await;
    let setup = || Setup::new(&origin).assertion(60);
    let gate = Gate::start(setup()).await;
    get("/_edgeward/settings").send(&gate).await.must_be(401, "unauthorized");
    get("/_edgeward/settings")
        .bearer(&mint::token())
        .send(&gate)
        .await
        .must_be(401, "unauthorized");
    let posted = request("POST", "/_edgeward/settings").bearer(ADMIN_TOKEN).send(&gate).await;
    posted.must_be(405, "method_not_allowed");
    let reply = get("/_edgeward/settings").bearer(ADMIN_TOKEN).send(&gate).await;
    reply.must_pass();
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    let settings = reply.json();
    assert_eq!(settings["table"]["providers"][0]["issuer"], mint::ISSUER);
    let keys = settings["keys"]["main"].as_array().unwrap();
    let secret = mint::HMAC.jwk();
    let expected = mint::all().iter().filter(|key| key.jwk()["kty"] != "oct").count();
    assert_eq!(keys.len(), expected, "{keys:?}");
    let text = reply.text();
    for private in
        [secret["k"].as_str().unwrap(), mint::assertion_jwk()["d"].as_str().unwrap(), ADMIN_TOKEN]
    {
        assert!(!text.contains(private), "{text}");
    }
    let gate = Gate::start(setup().without_secret("ADMIN_TOKEN")).await;
    get("/_edgeward/settings").send(&gate).await.must_be(404, "not_found");
    origin.must_be_untouched();
}
