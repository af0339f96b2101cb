use super::*;

fn args(url: String) -> NatsArgs {
    NatsArgs {
        nats_url: url,
        nats_credentials: None,
        nats_stream: "EVENTS".to_owned(),
        nats_subjects: "events".to_owned(),
        nats_replicas: 1,
    }
}

#[tokio::test]
async fn the_stream_is_made_once_and_brought_to_its_settings() {
    let Ok(url) = std::env::var("AGORA_TEST_NATS_URL") else {
        panic!("AGORA_TEST_NATS_URL is not set: run the tests by deploy/test");
    };
    let client = connect(&args(url), "agora-service-test").await.unwrap();
    client.flush().await.unwrap();
    let jetstream = jetstream::new(client.clone());
    let name = format!("SERVICE_TEST_{}", crate::clock::new_id().simple());
    let other =
        Config { name: name.clone(), subjects: vec![format!("{name}.>")], ..Config::default() };
    jetstream.create_stream(other).await.unwrap();

    ensure_stream(&jetstream, &name, &name, 1).await.unwrap();
    let mut stream = ensure_stream(&jetstream, &name, &name, 1).await.unwrap();
    let settings = stream.info().await.unwrap().config.clone();
    assert_eq!((settings.max_age, settings.duplicate_window), (MAX_AGE, DUPLICATE_WINDOW));
    assert!(ready(&client).is_ok());
    jetstream.delete_stream(&name).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_away_does_not_keep_a_service_from_starting() {
    let closed = connect(&args("nats://127.0.0.1:1".to_owned()), "agora-service-test").await;
    assert!(ready(&closed.unwrap()).is_err());
}

#[tokio::test]
async fn an_unusable_url_says_what_to_set() {
    let error = connect(&args("nats://[".to_owned()), "x").await.err().unwrap();
    assert!(error.to_string().starts_with("NATS_URL"));
}
