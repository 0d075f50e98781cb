//! What services do with the client in a day, step by step.

mod platform;
mod users;

use super::client;
use platform::{erase, manage_tokens, read_events, relate, sign_in, suspend_and_delete};
use users::{change, create_and_conflict, lists_and_batches};

const PASSWORD: &str = "correct horse battery staple";

user_tests::on_each_store! {
    async fn a_script_of_all_operations_succeeds(app: &TestApp) {
        let client = client(app);
        assert!(client.get_readiness().await.unwrap().is_ready);
        client.get_liveness().await.unwrap();
        let position = client.list_events().now().await.unwrap().cursor;
        let alice = create_and_conflict(&client).await;
        let alice = change(&client, alice).await;
        let others = lists_and_batches(&client, &alice).await;
        sign_in(app, &client, &alice).await;
        relate(app, &client, alice.id, &others).await;
        suspend_and_delete(&client, alice.id).await;
        read_events(&client, alice.id, &position).await;
        erase(&client, alice.id).await;
        manage_tokens(&client).await;
    }
}
