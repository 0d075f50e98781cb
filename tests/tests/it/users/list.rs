//! `GET /v1/users`.

use std::collections::BTreeSet;

use serde_json::json;
use user_tests::{Reply, TestApp, TestClient};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_view, encode, id, path, register_full_user,
};

/// The usernames of a page.
pub(super) fn names(page: &Reply) -> Vec<&str> {
    assert_eq!(page.status, 200, "{}", page.text);
    let users = page.json["users"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect()
}

/// The URL in the `Link` header of a page. None on the last page.
fn next(page: &Reply) -> Option<String> {
    let link = page.header("link");
    if link.is_empty() {
        assert_eq!(page.json["next_cursor"], json!(null));
        return None;
    }
    let address = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .unwrap();
    let cursor = page.json["next_cursor"].as_str().unwrap();
    assert!(address.contains(&format!("cursor={cursor}")), "{link}");
    Some(address.to_owned())
}

/// Follows the links from a path to the last page and returns the usernames in order.
pub(super) async fn read_all_pages(caller: &TestClient<'_>, first: &str) -> Vec<String> {
    let (mut listed, mut pages) = (Vec::new(), 0);
    let mut path = Some(first.to_owned());
    while let Some(address) = path {
        pages += 1;
        assert!(pages < 500, "paging does not end");
        let page = caller.get(&address).await;
        listed.extend(names(&page).into_iter().map(str::to_owned));
        path = next(&page);
    }
    listed
}

async fn register_all(app: &TestApp, names: &[&str]) {
    for name in names {
        app.register(name).await;
    }
}

user_tests::on_each_store! {
    async fn lists_accept_fields_and_include_as_single_reads_do(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let service = app.service();
        let follow = format!("{}/following/{}", path(&alice), id(&bob));
        assert_eq!(service.put(&follow).await.status, 204);
        let counts = |followers: u64, following: u64| json!({"followers": followers, "following": following});
        let query = "fields=username,email&include=counts";
        let list = format!("/v1/users?sort=username&{query}");
        let expected = |followed: u64, user: &serde_json::Value| {
            json!({"id": user["id"], "username": user["username"], "email": user["email"], "counts": counts(1 - followed, followed)})
        };
        let whole = service.get(&list).await;
        assert_eq!(whole.json["users"], json!([expected(1, &alice), expected(0, &bob)]), "{}", whole.text);
        // The pages that follow have the same members.
        let first = service.get(&format!("{list}&limit=1")).await;
        assert_eq!(first.json["users"], json!([expected(1, &alice)]));
        let second = service.get(&next(&first).unwrap()).await;
        assert_eq!(second.json["users"], json!([expected(0, &bob)]));

        // Related users are shown in their public view, so a field outside it is absent.
        let followers = format!("{}/followers?{query}", path(&bob));
        let listed = app.user(id(&bob)).get(&followers).await;
        let public = json!({"id": alice["id"], "username": "alice", "counts": counts(0, 1)});
        assert_eq!(listed.json["users"], json!([public]), "{}", listed.text);
        let counted = service.get("/v1/users?include=counts&limit=1").await;
        assert_eq!(counted.json["users"][0]["counts"], counts(1, 0));
        assert_eq!(counted.json["users"][0]["username"], "bob");
        assert!(counted.json["users"][0]["profile"].is_object());
    }

    async fn a_list_is_compressed_for_a_client_that_asks(app: &TestApp) {
        for name in ["alice", "bob", "carol"] {
            app.register(name).await;
        }
        let plain = app.service().get("/v1/users").await;
        let request = app.service().request(reqwest::Method::GET, "/v1/users");
        let response = request.header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert!(response.headers().get_all("vary").iter().any(|field| field == "Accept-Encoding"));
        let compressed = response.bytes().await.unwrap();
        assert!(compressed.starts_with(&[0x1f, 0x8b]) && compressed.len() < plain.text.len() / 2);
    }

    async fn only_services_and_administrators_may_list(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        assert_problem(&callers.anonymous.get("/v1/users").await, 401, "missing_credentials");
        for (name, caller) in callers.users() {
            for path in ["/v1/users", "/v1/users?nonsense=1&limit=0", "/v1/users?cursor=bad", "/v1/users?email=alice@example.org"] {
                let refused = caller.get(path).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name} {path}");
            }
        }
        for caller in [&callers.admin, &callers.service] {
            let page = caller.get("/v1/users").await;
            assert_eq!(names(&page), ["the.boss", "pretender", "other.one", "alice"], "the newest first");
            assert_eq!(crate::common::members(&page.json), ["next_cursor", "users"]);
            assert_eq!((&page.json["next_cursor"], page.header("link")), (&json!(null), ""));
            assert_eq!((page.header("cache-control"), page.header("etag")), ("private, no-cache, no-transform", ""));
            assert_view(&page.json["users"][3], "full");
            assert_eq!(page.json["users"][3], user);
        }
    }

    async fn each_filter_returns_the_matching_users(app: &TestApp) {
        let service = app.service();
        let alice = register_full_user(app, "Alice.Smith").await;
        register_all(app, &["bob", "Bobby", "carol", "d_n", "dxn"]).await;
        let by_name = |name: &str| format!("/v1/users/by-username/{name}");
        let bobby = service.get(&by_name("bobby")).await.json;
        let carol = service.get(&by_name("carol")).await.json;
        service.post_empty(&format!("{}/suspend", path(&bobby)), &[]).await;
        service.delete(&path(&carol)).await;
        let dxn = service.get(&by_name("dxn")).await.json;
        service.patch(&path(&dxn), &json!({"profile": {"name": "Zoë O'Hara 100% \\o/ STRASSE"}, "roles": ["editor"]})).await;
        let dxn = service.get(&by_name("dxn")).await.json;
        let since = |user: &serde_json::Value, name: &str| encode(user[name].as_str().unwrap());
        for (filter, expected) in [
            (String::new(), "dxn d_n Bobby bob Alice.Smith"),
            ("status=active".to_owned(), "dxn d_n bob Alice.Smith"),
            ("status=suspended".to_owned(), "Bobby"),
            ("status=deleted".to_owned(), "carol"),
            ("status=deleted,suspended".to_owned(), "carol Bobby"),
            ("role=editor".to_owned(), "dxn Alice.Smith"),
            ("role=support:level_2".to_owned(), "Alice.Smith"),
            ("role=edito".to_owned(), ""),
            ("role=support:level_2,editor".to_owned(), "dxn Alice.Smith"),
            ("role=nobody&role=support:level_2&role=nobody".to_owned(), "Alice.Smith"),
            ("status=deleted&status=suspended".to_owned(), "carol Bobby"),
            ("status=deleted,suspended&status=deleted".to_owned(), "carol Bobby"),
            (format!("status=active{}", ",active".repeat(199)), "dxn d_n bob Alice.Smith"),
            (format!("role=editor{}", "&role=editor".repeat(199)), "dxn Alice.Smith"),
            (format!("created_until={}", since(&bobby, "created_at")), "bob Alice.Smith"),
            ("created_since=2000-01-01&created_until=2100-01-01".to_owned(), "dxn d_n Bobby bob Alice.Smith"),
            ("created_since=2100-01-01%2000:00:00+0000".to_owned(), ""),
            ("created_until=2000-01-01T00:00:00%2B0000".to_owned(), ""),
            (format!("updated_until={}", since(&dxn, "updated_at")), "d_n Bobby bob Alice.Smith"),
            (format!("created_since={}", since(&bobby, "created_at")), "dxn d_n Bobby"),
            ("created_since=2100-01-01T00:00:00Z".to_owned(), ""),
            ("created_since=2000-01-01T02:00:00.5%2B02:00".to_owned(), "dxn d_n Bobby bob Alice.Smith"),
            (format!("updated_since={}", since(&dxn, "updated_at")), "dxn"),
            ("email=BOB@example.org".to_owned(), "bob"),
            ("email=nobody@example.org".to_owned(), ""),
            ("external_id=ext-Alice.Smith".to_owned(), "Alice.Smith"),
            ("external_id=EXT-alice.smith".to_owned(), ""),
            ("username_prefix=BOB".to_owned(), "Bobby bob"),
            ("username_prefix=d_".to_owned(), "d_n"),
            ("username_prefix=%25".to_owned(), ""),
            ("username_prefix=smith".to_owned(), ""),
            ("q=smith".to_owned(), "Alice.Smith"),
            ("q=LEE".to_owned(), "Alice.Smith"),
            ("q=d_".to_owned(), "d_n"),
            ("q=_n".to_owned(), "d_n"),
            ("q=0%25".to_owned(), "dxn"),
            ("q=%5Co%2F".to_owned(), "dxn"),
            ("q=O'H".to_owned(), "dxn"),
            ("q=zO%C3%8B".to_owned(), "dxn"),
            ("q=Zoe%CC%88".to_owned(), "dxn"),
            ("q=stra%C3%9Fe".to_owned(), "dxn"),
            ("q=zoe".to_owned(), ""),
            ("q=carol".to_owned(), ""),
            ("q=example.org".to_owned(), ""),
            ("q=bo&status=active".to_owned(), "bob"),
            ("q=bo&username_prefix=bob&role=editor".to_owned(), ""),
        ] {
            let page = service.get(&format!("/v1/users?{filter}")).await;
            let expected: Vec<&str> = expected.split_whitespace().collect();
            assert_eq!(names(&page), expected, "{filter}");
        }
        let found = service.get("/v1/users?email=alice.smith@EXAMPLE.org").await;
        assert_eq!(found.json, json!({"users": [alice], "next_cursor": null}));
    }

    async fn every_sort_order_holds_across_pages(app: &TestApp) {
        let service = app.service();
        register_all(app, &["delta", "Alpha", "echo", "bravo", "Charlie"]).await;
        let delta = service.get("/v1/users/by-username/delta").await.json;
        service.patch(&path(&delta), &json!({"profile": {"name": "D"}})).await;
        for (sort, expected) in [
            ("", "Charlie bravo echo Alpha delta"),
            ("sort=-created_at&", "Charlie bravo echo Alpha delta"),
            ("sort=created_at&", "delta Alpha echo bravo Charlie"),
            ("sort=username&", "Alpha bravo Charlie delta echo"),
            ("sort=updated_at&", "Alpha echo bravo Charlie delta"),
        ] {
            for limit in [1, 2, 4, 5, 200] {
                let listed = read_all_pages(&service, &format!("/v1/users?{sort}limit={limit}")).await;
                assert_eq!(listed.join(" "), expected, "{sort} {limit}");
            }
        }
        let listed = read_all_pages(&service, "/v1/users?username_prefix=E&limit=1&q=ec&status=active&sort=username").await;
        assert_eq!(listed, ["echo"]);
        let page = service.get("/v1/users?limit=2&q=a&sort=username").await;
        assert_faults(&page, &[("q", "too_short")]);
    }

    async fn paging_continues_while_users_change(app: &TestApp) {
        let service = app.service();
        let unchanged: Vec<String> = (0..12).map(|n| format!("lasting{n:02}")).collect();
        for name in &unchanged {
            app.register(name).await;
        }
        let toggled = app.register("passing").await;
        for sort in ["created_at", "-created_at"] {
            let mut seen = Vec::new();
            let mut path_of_page = Some(format!("/v1/users?limit=3&sort={sort}"));
            let mut turn = 0;
            while let Some(address) = path_of_page {
                let page = service.get(&address).await;
                seen.extend(names(&page).into_iter().map(str::to_owned));
                path_of_page = next(&page);
                turn += 1;
                assert!(turn < 50, "paging does not end");
                if turn < 4 {
                    app.register(&format!("new{turn}{}", sort.len())).await;
                    let changed = &unchanged[turn * 2];
                    let changed = service.get(&format!("/v1/users/by-username/{changed}")).await.json;
                    service.patch(&path(&changed), &json!({"profile": {"name": format!("{turn}{sort}")}})).await;
                    let verb = if turn % 2 == 1 { "suspend" } else { "activate" };
                    service.post_empty(&format!("{}/{verb}", path(&toggled)), &[]).await;
                }
            }
            let once: BTreeSet<&String> = seen.iter().collect();
            assert_eq!(once.len(), seen.len(), "a user appears twice: {seen:?}");
            for name in &unchanged {
                assert!(once.contains(name), "{name} is missed by {sort}");
            }
        }
        service.delete(&path(&toggled)).await;
        assert!(!read_all_pages(&service, "/v1/users?limit=4").await.contains(&"passing".to_owned()));
    }

    async fn a_link_repeats_the_encoded_filter(app: &TestApp) {
        let service = app.service();
        for n in 0..3 {
            let body = json!({"username": format!("user{n}"), "email": format!("{n}@example.org"), "profile": {"name": format!("A&b=c é+% {n}")}});
            assert_eq!(service.post("/v1/users", &body).await.status, 201);
        }
        let filter = format!("q={}&status=active%2Csuspended&limit=1&sort=username", encode("&B=C é+% "));
        assert_eq!(read_all_pages(&service, &format!("/v1/users?{filter}")).await, ["user0", "user1", "user2"]);
        let page = service.get("/v1/users?limit=2").await;
        let link = next(&page).unwrap();
        assert!(link.starts_with("/v1/users?"), "{link}");
    }

    async fn a_limit_is_from_1_to_200_and_50_by_default(app: &TestApp) {
        let service = app.service();
        for n in 0..52 {
            app.register(&format!("user{n}")).await;
        }
        assert_eq!(names(&service.get("/v1/users").await).len(), 50);
        assert_eq!(names(&service.get("/v1/users?limit=1").await).len(), 1);
        assert_eq!(names(&service.get("/v1/users?limit=52").await).len(), 52);
        assert_eq!(names(&service.get("/v1/users?limit=200").await).len(), 52);
        for limit in ["0", "201", "-1", "%2B5", "5.0", "", "abc", "1e1", "99999999999999999999", "%D9%A1", "0x10", "%205"] {
            assert_faults(&service.get(&format!("/v1/users?limit={limit}")).await, &[("limit", "out_of_range")]);
        }
    }

    async fn all_query_faults_are_reported_with_their_parameters(app: &TestApp) {
        let service = app.service();
        let refused = service.get(
            "/v1/users?status=gone&role=A&created_since=yesterday&updated_since=2026-01&email=x&external_id=a%20b\
             &username_prefix=&q=x&limit=0&sort=name&page=2&offset=1",
        ).await;
        assert_faults(&refused, &[
            ("status", "unknown"), ("role", "forbidden_character"), ("created_since", "format"), ("updated_since", "format"),
            ("email", "format"), ("external_id", "forbidden_character"), ("username_prefix", "too_short"), ("q", "too_short"),
            ("limit", "out_of_range"), ("sort", "unknown"), ("page", "unknown_parameter"), ("offset", "unknown_parameter"),
        ]);
        for fault in refused.json["errors"].as_array().unwrap() {
            assert_eq!(crate::common::members(fault), ["code", "detail", "parameter"]);
        }
        for (query, faults) in [
            ("q=ab&q=cd", ("q", "repeated")),
            ("created_since=2026-01-01&created_since=2026-01-01", ("created_since", "repeated")),
            ("email=a@b.example&email=a@b.example", ("email", "repeated")),
            ("limit=1&limit=2", ("limit", "repeated")),
            ("status=active&status=gone", ("status", "unknown")),
            ("status=", ("status", "unknown")),
            ("status=active,", ("status", "unknown")),
            ("status=Active", ("status", "unknown")),
            ("Limit=1", ("Limit", "unknown_parameter")),
            ("=1", ("", "unknown_parameter")),
            ("fields=name", ("fields", "unknown_field")),
            ("include=likes", ("include", "unknown")),
            ("sort=-username", ("sort", "unknown")),
            ("sort=", ("sort", "unknown")),
        ] {
            assert_faults(&service.get(&format!("/v1/users?{query}")).await, &[faults]);
        }
        let long = "x".repeat(65);
        assert_faults(&service.get(&format!("/v1/users?q={long}")).await, &[("q", "too_long")]);
        assert_eq!(service.get(&format!("/v1/users?q={}", &long[1..])).await.status, 200);
        assert_eq!(service.get("/v1/users?q=%F0%9F%98%80%F0%9F%98%80").await.status, 200);
        assert_faults(&service.get("/v1/users?q=%F0%9F%98%80").await, &[("q", "too_short")]);
        assert_eq!(service.get(&format!("/v1/users?q={}", encode("山"))).await.status, 200);
        let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
        assert_faults(&service.get(&format!("/v1/users?role={}", many.join(","))).await, &[("role", "too_many")]);
        assert_faults(&service.get("/v1/users?q=a%00b").await, &[("q", "forbidden_character")]);
    }

    async fn a_bad_or_foreign_cursor_is_a_400(app: &TestApp) {
        let service = app.service();
        register_all(app, &["alice", "albert", "alma"]).await;
        let first = service.get("/v1/users?limit=1&username_prefix=al").await;
        let cursor = first.json["next_cursor"].as_str().unwrap().to_owned();
        let good = service.get(&format!("/v1/users?limit=2&username_prefix=AL&cursor={cursor}")).await;
        assert_eq!(names(&good), ["albert", "alice"], "a cursor works with another page size");
        for query in [
            "limit=1", "limit=1&username_prefix=a", "limit=1&username_prefix=al&sort=created_at", "limit=1&username_prefix=al&sort=username",
            "limit=1&username_prefix=al&status=active", "limit=1&username_prefix=al&q=al", "username_prefix=al&role=admin",
            "username_prefix=al&created_since=2000-01-01T00:00:00Z", "username_prefix=al&created_until=2100-01-01", "username_prefix=al&updated_since=2000-01-01T00:00:00Z",
        ] {
            assert_problem(&service.get(&format!("/v1/users?{query}&cursor={cursor}")).await, 400, "invalid_cursor");
        }
        let mut bad: Vec<String> = vec![
            String::new(), "x".to_owned(), "%00".to_owned(), "=".to_owned(), format!("{cursor}="), format!("{cursor}A"), cursor[1..].to_owned(),
            cursor[..cursor.len() - 4].to_owned(), cursor.to_lowercase(), "A".repeat(cursor.len()), "A".repeat(4000), encode("é"),
        ];
        for at in (0..cursor.len()).step_by(7) {
            let mut tampered = cursor.clone().into_bytes();
            tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
            bad.push(String::from_utf8(tampered).unwrap());
        }
        for cursor in bad {
            let refused = service.get(&format!("/v1/users?username_prefix=al&cursor={cursor}")).await;
            assert_eq!((refused.status, refused.code()), (400, "invalid_cursor"), "{cursor}");
        }
        // A cursor of another sealing key is invalid.
        let other = app.replica_with(&[("SEALING_KEY", "another-secret-of-more-than-32-bytes-in-all")]).await;
        let refused = other.service().get(&format!("/v1/users?username_prefix=al&cursor={cursor}")).await;
        assert_problem(&refused, 400, "invalid_cursor");
        other.stop().await;
        let twin = app.replica().await;
        let page = twin.service().get(&format!("/v1/users?username_prefix=al&cursor={cursor}")).await;
        assert_eq!(names(&page), ["albert", "alice"]);
        twin.stop().await;
    }
}
