//! Many at once: nobody gets the answer, or the identity, of somebody else.

use futures_util::future::join_all;

use super::*;
use mint::{now, token_with};

#[tokio::test]
async fn of_many_at_once_each_is_answered_for_what_it_sent() {
    let origin = Origin::answering(|seen| {
        let who = seen.header("x-auth-subject").join("|");
        Answer::status("200 OK").with_body(&format!("{who} {}", seen.target))
    })
    .await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
        .set("log.level", "off")
        .access("/public", "public")
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;
    // Tokens of all kinds, which differ by their subject.
    let users: Vec<(String, String)> = (0..39)
        .map(|at| {
            let (algorithm, sub) = (mint::ALGORITHMS[at % 13], format!("user-{at}"));
            let token =
                mint::key_for(algorithm).token(algorithm, &claims_with(json!({ "sub": sub })));
            (sub, token)
        })
        .collect();
    let expired = token_with(json!({ "exp": now() - 3_600 }));
    let mut sent: Vec<(client::Request, u16, String)> = Vec::new();
    for round in 0..4 {
        for (at, (sub, token)) in users.iter().enumerate() {
            let path = format!("/{round}/{at}");
            let (_, other) = &users[(at + 1) % users.len()];
            let [header, claims, _] = parts(token);
            let mixed = format!("{header}.{claims}.{}", parts(other)[2]);
            sent.push((get(&path).bearer(token), 200, format!("{sub} {path}")));
            sent.push((get(&path).bearer(&mixed), 401, "invalid_token".to_owned()));
            sent.push((get(&path), 401, "missing_token".to_owned()));
            sent.push((get(&path).bearer(&expired), 401, "expired_token".to_owned()));
            let admin = format!("/admin{path}");
            sent.push((get(&admin).bearer(token), 403, "insufficient_scope".to_owned()));
            let public = format!("/public{path}");
            let asked = get(&public).header("X-Auth-Subject", sub);
            sent.push((asked.bearer(token), 200, format!(" {public}")));
        }
    }
    let expected_hits = sent.iter().filter(|(_, status, _)| *status == 200).count();
    for some in sent.chunks(200) {
        let replies = join_all(some.iter().map(|(asked, ..)| asked.send(&gate))).await;
        for (reply, (_, status, text)) in replies.into_iter().zip(some) {
            let said = if reply.status == 200 { reply.text() } else { reply.code() };
            assert_eq!((reply.status, &said), (*status, text));
        }
    }
    assert_eq!(origin.count(), expected_hits);
    gate.must_be_calm();
}
