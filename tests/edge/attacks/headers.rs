//! Headers that want to be the gate's, or to change its mind.

use super::*;
use mint::{token, token_with};

/// What other proxies, frameworks and monitors believe, or let pass.
const PERSUASIONS: [(&str, &str); 58] = [
    ("X-Original-URL", "/public"),
    ("X-Rewrite-URL", "/public"),
    ("X-Original-URI", "/public"),
    ("X-Original-Method", "OPTIONS"),
    ("X-Forwarded-Uri", "/public"),
    ("X-Forwarded-Path", "/public"),
    ("X-Forwarded-Prefix", "/public"),
    ("X-Forwarded-Method", "OPTIONS"),
    ("X-Forwarded-Host", "public.example"),
    ("X-Forwarded-Server", "public.example"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-For", "127.0.0.1, ::1, localhost"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Forwarded-User", "root"),
    ("X-Forwarded-Email", "root@app.example"),
    ("X-Forwarded-Groups", "admin"),
    ("X-Forwarded-Access-Token", "x"),
    ("X-Forwarded-Client-Cert", "Subject=\"CN=root\""),
    ("X_Forwarded_For", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1;host=public.example;proto=https"),
    ("X-Real-IP", "127.0.0.1"),
    ("X-Client-IP", "127.0.0.1"),
    ("True-Client-IP", "127.0.0.1"),
    ("CF-Connecting-IP", "127.0.0.1"),
    ("CF_Connecting_IP", "127.0.0.1"),
    ("CF-Worker", "app.example"),
    ("CF-Access-Authenticated-User-Email", "root@app.example"),
    ("CF-Visitor", "{\"scheme\":\"https\"}"),
    ("CDN-Loop", "cloudflare; subreqs=1"),
    ("Via", "1.1 edgeward"),
    ("X-HTTP-Method-Override", "OPTIONS"),
    ("X-HTTP-Method", "OPTIONS"),
    ("X-Method-Override", "OPTIONS"),
    ("x_http_method_override", "OPTIONS"),
    ("User-Agent", "GoogleHC/1.0"),
    ("User-Agent", "kube-probe/1.31"),
    ("User-Agent", "ELB-HealthChecker/2.0"),
    (
        "User-Agent",
        "Mozilla/5.0 (compatible; Cloudflare-Healthchecks/1.0; +https://www.cloudflare.com/)",
    ),
    ("User-Agent", "Consul Health Check"),
    ("User-Agent", "AlwaysOn"),
    ("User-Agent", ""),
    ("Referer", "http://app.example/public"),
    ("Origin", "http://app.example"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Purpose", "prefetch"),
    ("Purpose", "prefetch"),
    ("X-Moz", "prefetch"),
    ("X-Requested-With", "XMLHttpRequest"),
    ("X-Middleware-Subrequest", "middleware:middleware:middleware:middleware:middleware"),
    ("X-Internal", "1"),
    ("X-Auth-Subject", "root"),
    ("X-Auth-Degraded", "signature"),
    ("X-Auth-Shadow", "missing_token"),
    ("X-Auth-Assertion", "a.b.c"),
    ("Remote-User", "root"),
    ("SSL-Client-Verify", "SUCCESS"),
    ("Access-Control-Request-Method", "GET"),
];

#[tokio::test]
async fn no_header_talks_the_gate_into_anything() {
    const FORBIDDEN: (u16, &str) = (403, "insufficient_scope");
    let mut siege = Siege::of(|setup| {
        setup
            .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
            .access("/public", "public")
            .rule(json!({ "path": "/", "hosts": ["public.example"], "access": "public" }))
            .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }))
    })
    .await;
    let user = token();
    for (name, value) in PERSUASIONS {
        for method in ["GET", "POST", "OPTIONS"] {
            let with = |target: &str| request(method, target).header(name, value);
            // With `Origin` and the method in question this is a preflight, which needs two headers.
            let case = format!("{method} with {name}: {value}");
            siege.refuses(&case, &with("/inner"), MISSING_TOKEN, "no_credentials").await;
            let asked = with("/admin").bearer(&user);
            siege.refuses(&case, &asked, FORBIDDEN, "missing_scope").await;
        }
        let asked = get("/inner").bearer(&user).header(name, value);
        if let Some(seen) = siege.passes(name, &asked).await {
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/inner"), "{name}");
            assert_eq!(seen.folded("x-auth-subject"), ["alice"], "{name}");
        }
    }
    // All at once.
    let all = |target: &str| {
        PERSUASIONS.into_iter().fold(get(target), |asked, (name, value)| asked.header(name, value))
    };
    siege.refuses("all", &all("/inner"), MISSING_TOKEN, "no_credentials").await;
    siege.refuses("all", &all("/admin").bearer(&user), FORBIDDEN, "missing_scope").await;
    siege.must_have_held().await;
}

/// The characters that a header name can have beside letters and digits (RFC 9110 section 5.6.2).
const MARKS: &str = "!#$%&'*+-.^_`|~";

/// A name with every mark in the place of each hyphen, in several cases.
fn spellings(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split('-').collect();
    let mut spelled = Vec::new();
    for mark in MARKS.chars() {
        let joined = words.join(&mark.to_string());
        spelled.push(joined.to_uppercase());
        spelled.push(joined.to_lowercase());
        // Only the first of them, the other way round.
        spelled.push(name.replacen('-', &mark.to_string(), 1));
        spelled.push(
            name.to_lowercase()
                .chars()
                .rev()
                .collect::<String>()
                .replacen('-', &mark.to_string(), 1)
                .chars()
                .rev()
                .collect(),
        );
    }
    spelled
}

#[tokio::test]
async fn no_spelling_of_an_identity_header_arrives_with_any_kind_of_request() {
    let mut siege = Siege::of(|setup| {
        setup
            .assertion(60)
            .set(
                "forward.claim_to_headers",
                json!({ "X-Auth-Subject": "sub", "X-User-Id": "sub", "Tenant": "tenant" }),
            )
            .set("token.sources", json!(["authorization", "websocket-protocol", "cookie:session"]))
            .access("/public", "public")
            .access("/optional", "optional")
            .rule(json!({ "path": "/shadow", "enforce": "shadow", "scopes_all": ["none"] }))
            .rule(json!({ "path": "/native", "websocket": "handshake" }))
    })
    .await;
    let good = token_with(json!({ "tenant": "acme" }));
    let socket = |target: &str| {
        get(target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let preflight = |target: &str| {
        request("OPTIONS", target)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", "GET")
    };
    // What each kind of request tells the origin about its sender.
    let kinds: Vec<(&str, client::Request, bool)> = vec![
        ("public", get("/public"), false),
        ("public with a token", get("/public").bearer(&good), false),
        ("optional without a token", get("/optional"), false),
        ("optional", get("/optional").bearer(&good), true),
        ("required", get("/required").bearer(&good), true),
        ("known", get("/required").bearer(&good), true),
        ("HEAD", request("HEAD", "/required").bearer(&good), true),
        ("POST", request("POST", "/required").bearer(&good).body("body"), true),
        ("OPTIONS", request("OPTIONS", "/required").bearer(&good), true),
        ("a cookie", get("/required").header("Cookie", &format!("session={good}")), true),
        ("a preflight", preflight("/required"), false),
        ("a preflight with a token", preflight("/required").bearer(&good), false),
        ("shadow without a token", get("/shadow"), false),
        ("shadow", get("/shadow").bearer(&good), false),
        ("a supervised socket", socket("/required").bearer(&good), true),
        ("a native socket", socket("/native").bearer(&good), true),
        ("a socket that is public", socket("/public"), false),
        (
            "a socket by subprotocol",
            socket("/required").header("Sec-WebSocket-Protocol", &format!("bearer, {good}")),
            true,
        ),
    ];
    let ours = ["X-Auth-Subject", "X-User-Id", "Tenant"];
    let spoofed: Vec<String> = [
        "X-Auth-Subject",
        "X-Auth-Subject-B64",
        "X-User-Id",
        "X-User-Id-B64",
        "Tenant-B64",
        "X-Auth-Assertion",
        "X-Auth-Degraded",
        "X-Auth-Shadow",
        "X-Auth-Scope",
        "X-Auth-X",
    ]
    .into_iter()
    .flat_map(spellings)
    .chain(["Tenant", "TENANT", "tenant"].map(str::to_owned))
    .collect();
    for (kind, mut asked, is_identified) in kinds {
        for name in &spoofed {
            asked = asked.header(name, "spoofed");
        }
        let Some(seen) = siege.passes(kind, &asked).await else { continue };
        let arrived: Vec<_> =
            seen.headers.iter().filter(|(_, value)| value.contains("spoofed")).collect();
        assert!(arrived.is_empty(), "{kind}: {arrived:?}");
        for (name, value) in ours.into_iter().zip(["alice", "alice", "acme"]) {
            let expected: &[&str] = if is_identified { &[value] } else { &[] };
            assert_eq!(seen.folded(name), expected, "{kind}: {name}");
        }
        let count = usize::from(is_identified);
        assert_eq!(seen.folded("x-auth-assertion").len(), count, "{kind}");
        assert!(seen.folded("x-auth-degraded").is_empty(), "{kind}");
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn connection_names_nothing_of_ours_in_any_spelling() {
    let mut siege = Siege::of(|setup| {
        setup
            .assertion(60)
            .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub", "X-User-Id": "sub" }))
    })
    .await;
    let all_ours = [
        "X-Auth-Subject",
        "X-User-Id",
        "X-Auth-Assertion",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Host",
        "Traceparent",
        "Cache-Control",
        "Authorization",
        "Cookie",
        "Content-Length",
        "CF-Connecting-IP",
    ];
    let mut lists: Vec<String> = all_ours.map(str::to_owned).to_vec();
    lists.extend(all_ours.into_iter().flat_map(spellings));
    lists.extend([
        all_ours.join(", "),
        all_ours.join(",").to_uppercase(),
        all_ours.join(" ,\t"),
        format!("close, {}", all_ours.join(", ")),
        format!("keep-alive, {}", all_ours.join(", ")),
        all_ours.map(|name| format!("\"{name}\"")).join(", "),
        ",,, ,".to_owned(),
        format!("{}{}", "x,".repeat(5_000), all_ours.join(", ")),
    ]);
    for list in &lists {
        let name: String = list.chars().take(60).collect();
        let asked = request("POST", "/")
            .bearer(&token())
            .header("CF-Connecting-IP", "203.0.113.7")
            .header("X-Stays", "1")
            .header("Connection", list)
            .body("body");
        let Some(seen) = siege.passes(&name, &asked).await else { continue };
        for (header, value) in [
            ("x-auth-subject", "alice"),
            ("x-user-id", "alice"),
            ("x-forwarded-host", client::HOST),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-stays", "1"),
        ] {
            assert_eq!(seen.header(header), [value], "{name}");
        }
        for header in ["x-auth-assertion", "traceparent", "host"] {
            assert_eq!(seen.header(header).len(), 1, "{name}: {header}");
        }
        assert_eq!(seen.body, b"body", "{name}");
        assert!(seen.header("authorization").is_empty(), "{name}");
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_what_was_sent() {
    const MARK: &str = "REFLECTED";
    let mut siege = Siege::of(|setup| {
        setup
            .set("token.sources", json!(["authorization", "cookie:session", "query:access_token"]))
            .set("token.allowed_origins", json!(["https://app.example"]))
            .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }))
    })
    .await;
    let marked = |target: &str| {
        get(target)
            .header("User-Agent", MARK)
            .header("Referer", &format!("http://{MARK}/"))
            .header("Origin", &format!("https://{MARK}.example"))
            .header("Cookie", &format!("{MARK}={MARK}"))
            .header("X-Forwarded-Host", MARK)
            .header(MARK, "<script>")
    };
    let target = format!("/{MARK}<script>?{MARK}=\"'<script>&access_token=");
    let foreign = token_with(json!({ "iss": MARK, "sub": MARK, MARK: MARK }));
    let header = json!({ "alg": "ES256", "kid": MARK, "typ": "JWT" });
    let unknown = mint::P256.token_with_header(&header, &claims_with(json!({ "sub": MARK })));
    let none = hmac_token(format!("{{\"alg\":\"{MARK}\"}}"), good_claims().to_string());
    let poor = token_with(json!({ "sub": MARK, "scope": MARK }));
    let with_host = |host: String| marked("/").header("Host", &host);
    for (name, asked) in [
        ("no token", marked(&target)),
        ("no form", marked(&target).bearer(&format!("{MARK} {MARK}"))),
        ("no token at all", marked(&target).bearer(MARK)),
        ("another issuer", marked(&target).bearer(&foreign)),
        ("an unknown key", marked(&target).bearer(&unknown)),
        ("an unknown algorithm", marked(&target).bearer(&none)),
        ("no scope", marked(&format!("/admin/{MARK}")).bearer(&poor)),
        ("in the query", marked(&format!("{target}{foreign}"))),
        ("a path that hides something", marked(&format!("/{MARK}%00"))),
        ("a quoted host", with_host(format!("{MARK}\", error=\"x"))),
        ("a host with a name", with_host(format!("{MARK}@app.example"))),
        ("a host that is none", with_host(format!("<{MARK}>"))),
        ("an endpoint", marked(&format!("/_edgeward/{MARK}")).bearer(MARK)),
        ("the report", marked("/_edgeward/health").bearer(MARK)),
        ("an explanation", request("POST", "/_edgeward/explain").bearer(MARK).body(MARK)),
    ] {
        let reply = asked.send(&siege.gate).await;
        assert!((400..500).contains(&reply.status), "{name}: {}", reply.status);
        let all = format!("{:?} {}", reply.headers, reply.text());
        if all.contains(MARK) || all.contains("<script>") {
            siege.wrong.push(format!("{name}: {all}"));
        }
    }
    assert!(siege.wrong.is_empty(), "{:#?}", siege.wrong);
    siege.origin.must_be_untouched();
    siege.gate.must_be_calm();
}
