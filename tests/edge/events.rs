//! Data points, as the runtime sends them on.

use std::sync::{Arc, Mutex};

use super::harness::{mint::token, *};

#[tokio::test]
async fn each_decision_is_a_data_point_and_nothing_of_the_client_is_in_it() {
    let origin = Origin::start().await;
    let points: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&points);
    let service = Faults::answering(move |asked| {
        heard.lock().unwrap().push(String::from_utf8_lossy(&asked.body).into_owned());
        Reply::new(200, "")
    })
    .await;
    let setup = Setup::new(&origin)
        .events(&service)
        .rule(json!({ "path": "/" }))
        .rule(json!({ "path": "/new", "enforce": "shadow", "scopes_all": ["nobody-has-it"] }));
    let gate = Gate::start(setup).await;
    get("/secret-path").bearer(&token()).send(&gate).await.must_pass();
    get("/").send(&gate).await.must_be(401, "missing_token");
    get("/new").bearer(&token()).send(&gate).await.must_pass();
    eventually("they are sent", async || points.lock().unwrap().len() == 3).await;
    let points = points.lock().unwrap();
    let words: Vec<_> = points.iter().map(|point| words(point)).collect();
    assert_eq!(
        words,
        [
            ["permitted", "none", "none", "main", "", "", ""],
            ["denied", "missing_token", "no_credentials", "", "0", "", ""],
            ["shadowed", "insufficient_scope", "missing_scope", "main", "1", "", ""],
        ]
    );
    gate.must_be_calm();
}

/// The blobs of a data point, of which the first is its index.
fn words(point: &str) -> Vec<String> {
    let point: Value = serde_json::from_str(point).unwrap();
    let text = |name: &str| -> String {
        let bytes: Vec<u8> = serde_json::from_value(point[name].clone()).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!((text("index1"), &point["double1"]), (text("blob1"), &json!(1)));
    (1..=7).map(|number| text(&format!("blob{number}"))).collect()
}
