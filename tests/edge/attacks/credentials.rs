//! Tokens in odd places and odd forms, and requests that need none and bring one all the same.

use super::*;
use mint::token;

#[tokio::test]
async fn a_token_in_an_odd_dress_is_no_token_or_no_request() {
    let mut siege = Siege::of(|setup| {
        setup.set(
            "token.sources",
            json!(["authorization", "cookie:session", "query:access_token", "header:X-Api-Token"]),
        )
    })
    .await;
    let good = token();
    siege.passes("good", &get("/").bearer(&good)).await;
    let none = (MISSING_TOKEN, "no_credentials");
    let several = (INVALID_REQUEST, "several_credentials");
    let malformed = (INVALID_REQUEST, "malformed_credentials");
    for (value, (answer, reason)) in [
        (format!("Bearer {good},"), several),
        (format!("Bearer ,{good}"), several),
        (format!("Bearer {good},{good}"), several),
        (format!("Bearer {good}, Basic YTpi"), several),
        (format!("Basic YTpi, Bearer {good}"), several),
        (format!("DPoP x, Bearer {good}"), several),
        (format!("Bearer {good} {good}"), malformed),
        (format!("Bearer \"{good}\""), malformed),
        (format!("Bearer '{good}'"), malformed),
        (format!("Bearer <{good}>"), malformed),
        (format!("Bearer token={good}"), malformed),
        (format!("Bearer Bearer {good}"), malformed),
        (format!("Bearer {good}\u{ff}"), malformed),
        (format!("Bearer {good}\u{a0}"), malformed),
        (format!("Bearer {good};"), malformed),
        (format!("Bearer {good}%00"), malformed),
        (format!("Bearer {}", good.replace('.', "%2e")), malformed),
        (format!("Bearer {}", good.replace('.', "\t.")), malformed),
        ("Bearer".to_owned(), malformed),
        ("Bearer =".to_owned(), malformed),
        (String::new(), none),
        (good.clone(), none),
        (format!("Bearer\u{a0}{good}"), none),
        (format!("Bearer:{good}"), none),
        (format!("Bearer: {good}"), none),
        (format!("Bearer={good}"), none),
        (format!("Bearer{good}"), none),
        (format!("B\u{e9}arer {good}"), none),
        (format!("\u{a0}Bearer {good}"), none),
        (format!("Token {good}"), none),
        (format!("JWT {good}"), none),
        (format!("DPoP {good}"), none),
        (format!("Basic {good}"), none),
        (format!("Negotiate {good}"), none),
        (format!("x Bearer {good}"), none),
    ] {
        for name in ["Authorization", "AUTHORIZATION"] {
            let asked = get("/").header(name, &value);
            siege.refuses(&value, &asked, answer, reason).await;
        }
    }
    let cookie = format!("session={good}");
    let query = format!("/?access_token={good}");
    let api = |asked: client::Request| asked.header("X-Api-Token", &good);
    for (name, asked, (answer, reason)) in [
        ("twice", get("/").bearer(&good).bearer(&good), several),
        ("three times", get("/").bearer(&good).bearer("x").bearer(&good), several),
        ("header and cookie", get("/").bearer(&good).header("Cookie", &cookie), several),
        ("header and query", get(&query).bearer(&good), several),
        ("two headers", api(get("/").bearer(&good)), several),
        ("one header twice", api(api(get("/"))), several),
        ("a bad one beside", get("/").bearer(&good).header("X-Api-Token", "x.y.z"), several),
        ("two cookies", get("/").header("Cookie", &format!("{cookie}; session=x")), several),
        (
            "two cookie headers",
            get("/").header("Cookie", &cookie).header("Cookie", "session=x"),
            several,
        ),
        ("two parameters", get(&format!("{query}&access_token=x")), several),
        ("an encoded one", get(&format!("{query}&%61ccess_token=x")), several),
        ("a quoted header", get("/").header("X-Api-Token", &format!("\"{good}\"")), malformed),
        ("an underscore", get("/").header("X_Api_Token", &good), none),
        ("another case of a cookie", get("/").header("Cookie", &format!("SESSION={good}")), none),
        ("a prefixed cookie", get("/").header("Cookie", &format!("__Host-{cookie}")), none),
        ("a cookie's value", get("/").header("Cookie", &format!("a={cookie}")), none),
        ("another case of a parameter", get(&format!("/?Access_Token={good}")), none),
        ("a parameter in brackets", get(&format!("/?access_token[]={good}")), none),
        ("behind a semicolon", get(&format!("/?a=1;access_token={good}")), none),
        ("an empty parameter", get("/?access_token="), none),
        ("a fragment", get(&format!("/#access_token={good}")), none),
        ("a path", get(&format!("/access_token={good}")), none),
        (
            "user information",
            get("/").header("Referer", &format!("http://x/?access_token={good}")),
            none,
        ),
        (
            "a body",
            request("POST", "/")
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(&format!("access_token={good}")),
            none,
        ),
        (
            "JSON",
            request("POST", "/")
                .header("Content-Type", "application/json")
                .body(&json!({ "access_token": good }).to_string()),
            none,
        ),
    ] {
        siege.refuses(name, &asked, answer, reason).await;
    }
    siege.passes("good", &get("/").bearer(&good)).await;
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_preflight_brings_nothing_along_and_nothing_less_is_one() {
    let mut siege = Siege::of(|setup| {
        setup
            .assertion(60)
            .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
            .set(
                "token.sources",
                json!([
                    "authorization",
                    "cookie:session",
                    "query:access_token",
                    "header:X-Api-Token"
                ]),
            )
            .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }))
    })
    .await;
    let good = token();
    let preflight = |target: &str| {
        request("OPTIONS", target)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", "DELETE")
    };
    let query = format!("/admin?x=1&access_token={good}&y=2");
    let chunked = preflight("/admin").header("Transfer-Encoding", "chunked").bytes();
    for (name, asked) in [
        ("nothing", preflight("/admin")),
        ("a body", preflight("/admin").body("{\"delete\":\"everything\"}")),
        ("a token", preflight("/admin").bearer(&good)),
        ("a bad token", preflight("/admin").bearer("x.y.z")),
        ("two tokens", preflight("/admin").bearer(&good).bearer(&good)),
        ("Basic", preflight("/admin").header("Authorization", "Basic cm9vdDpyb290")),
        ("a cookie", preflight("/admin").header("Cookie", &format!("a=b; session={good}"))),
        ("a parameter", preflight(&query)),
        ("a header", preflight("/admin").header("X-Api-Token", &good)),
        ("a proxy's", preflight("/admin").header("Proxy-Authorization", "Basic cm9vdDpyb290")),
        ("an identity", preflight("/admin").header("x_auth_subject", "root")),
        ("another method", preflight("/admin").header("X-HTTP-Method-Override", "DELETE")),
        ("another path", preflight("/admin").header("X-Original-URL", "/admin/everything")),
        (
            "an upgrade",
            preflight("/admin").header("Connection", "Upgrade").header("Upgrade", "h2c"),
        ),
    ] {
        let Some(seen) = siege.passes(name, &asked).await else { continue };
        let target = if name == "a parameter" { "/admin?x=1&y=2" } else { "/admin" };
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("OPTIONS", target), "{name}");
        assert!(seen.body.is_empty() && seen.trailers.is_empty(), "{name}: {seen:?}");
        let all = format!("{seen:?}");
        assert!(!all.contains(&good) && !all.contains("root"), "{name}: {seen:?}");
        for header in [
            "authorization",
            "cookie",
            "x-api-token",
            "proxy-authorization",
            "x-auth-subject",
            "x-auth-assertion",
            "x-http-method-override",
            "x-original-url",
            "upgrade",
        ] {
            assert!(seen.folded(header).is_empty(), "{name}: {seen:?}");
        }
    }
    // In chunks, a body stays behind like any other.
    siege.permitted += 1;
    raw(siege.gate.addr, &[&chunked, &b"2\r\nhi\r\n0\r\n\r\n"[..]].concat()).await.must_pass();
    assert!(siege.origin.last().body.is_empty(), "{:?}", siege.origin.last());

    let asked = |method: &str, headers: &[(&str, &str)]| {
        headers
            .iter()
            .fold(request(method, "/admin"), |asked, (name, value)| asked.header(name, value))
    };
    let (from, wanted) =
        (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "DELETE"));
    for (name, asked) in [
        ("no origin", asked("OPTIONS", &[wanted])),
        ("no method", asked("OPTIONS", &[from])),
        ("underscores", asked("OPTIONS", &[from, ("Access_Control_Request_Method", "DELETE")])),
        ("headers alone", asked("OPTIONS", &[from, ("Access-Control-Request-Headers", "x")])),
        ("GET", asked("GET", &[from, wanted])),
        ("POST", asked("POST", &[from, wanted, ("X-HTTP-Method-Override", "OPTIONS")])),
        ("DELETE", asked("DELETE", &[from, wanted, ("X-Original-Method", "OPTIONS")])),
    ] {
        siege.refuses(name, &asked, MISSING_TOKEN, "no_credentials").await;
    }
    siege.must_have_held().await;
}
