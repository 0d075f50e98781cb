//! The first example of the client's README runs as it is there.

use user_client::{Client, NewUser, UserFilter};
use user_tests::{API_TOKEN, Store, TestApp};

const README: &str = include_str!("../../../../crates/client/README.md");
const THIS: &str = include_str!("readme.rs");

async fn example(url: &str, token: &str) -> Result<Vec<String>, user_client::Error> {
    // The example begins.
    let client = Client::new(url, token)?; // such as https://users.example.org, and a service token

    let alice = NewUser::new("Alice.Smith").email("alice@example.org");
    let mut alice = client.create_user(&alice).await?;

    alice.profile.name = Some("Alice Smith".to_owned());
    let alice = client.save(&alice).await?; // refused if others have changed her since

    let mut names = Vec::new();
    let mut users = client.users(UserFilter::new().username_prefix("ali"));
    while let Some(user) = users.next().await {
        names.push(user?.username);
    }

    client.delete_user(alice.id).await?;
    // The example ends.
    Ok(names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_readme_runs_as_it_is_there() {
    let (_, code) = README.split_once("```rust,no_run\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let shown = code.lines().filter(|line| !line.starts_with('#'));
    let (_, here) = THIS.split_once("    // The example begins.\n").unwrap();
    let (here, _) = here.split_once("    // The example ends.\n").unwrap();
    let here = here
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line));
    assert!(shown.eq(here), "the README has another example");

    let app = TestApp::start(Store::Sqlite).await;
    let names = example(&app.url(""), API_TOKEN).await.unwrap();
    assert_eq!(names, ["Alice.Smith"]);
    app.stop().await;
}
