//! Which tokens pass. What each refusal says to the client is the same; why differs.

use super::harness::*;

#[tokio::test]
async fn every_algorithm_passes_a_token_of_another_library() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for algorithm in mint::ALGORITHMS {
        let token = mint::key_for(algorithm).token(algorithm, &mint::claims());
        let reply = get("/").bearer(&token).send(&gate).await;
        assert_eq!((algorithm, reply.status), (algorithm, 200), "{}", reply.text());
    }
    assert_eq!(origin.count(), mint::ALGORITHMS.len());
}
