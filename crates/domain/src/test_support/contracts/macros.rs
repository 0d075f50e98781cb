/// Creates a test for each promise of the storage ports, in one module for each port.
///
/// Takes an expression that is a future. Its output is an empty store that lives until the test ends, and is a
/// [`StoreUnderTest`](crate::test_support::contracts::StoreUnderTest) by `AsRef`. The expression is evaluated once for
/// each test, inside a multi-threaded tokio runtime. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => {
        $crate::contract_tests! { $make;
            user_reader
            service_token_registry
            suspension_ends
            user_writer
            user_records
            user_directory
            change_log
            erasures
            event_feed
            event_relays
            retention
        }
    };
}

/// Creates a test for each promise of [`UserImport`](crate::ports::UserImport), in a module `user_import`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is an
/// [`ImportUnderTest`](crate::test_support::contracts::ImportUnderTest) by `AsRef`: an empty store, read without a
/// cache.
#[macro_export]
macro_rules! import_contract {
    ($make:expr) => {
        $crate::contract_tests! { $make; user_import }
    };
}

/// Creates a test for each promise of [`Credentials`](crate::ports::Credentials) and
/// [`LoginAttempts`](crate::ports::LoginAttempts), in a module `credentials`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is a
/// [`CredentialsUnderTest`](crate::test_support::contracts::CredentialsUnderTest) by `AsRef`: an empty store, read
/// without a cache.
#[macro_export]
macro_rules! credentials_contract {
    ($make:expr) => {
        $crate::contract_tests! { $make; credentials }
    };
}

/// Creates a test for each promise of [`Relationships`](crate::ports::Relationships) and
/// [`FollowCountMaintenance`](crate::ports::FollowCountMaintenance), in a module `relationships`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is a
/// [`RelationshipsUnderTest`](crate::test_support::contracts::RelationshipsUnderTest) by `AsRef`: an empty store.
#[macro_export]
macro_rules! relationships_contract {
    ($make:expr) => {
        $crate::contract_tests! { $make; relationships }
    };
}

/// Creates a test for each promise of [`UserCache`](crate::ports::UserCache), in a module `user_cache`.
///
/// Takes an expression as [`store_contract!`](crate::store_contract) does. Its output is a
/// [`CacheUnderTest`](crate::test_support::contracts::CacheUnderTest) by `AsRef`: an empty cache that is ready for
/// lookups and lives until the test ends.
#[macro_export]
macro_rules! cache_contract {
    ($make:expr) => {
        $crate::contract_tests! { $make; user_cache }
    };
}

/// Creates the tests of contract modules, each in a module of the same name.
///
/// The build script generates `contract_functions!`: it calls the second rule with the functions of a contract module.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($make:expr; $($module:ident)+) => {
        $($crate::test_support::contracts::contract_functions! { $module, $make })+
    };
    (@module $module:ident, $make:expr; $($function:ident)+) => {
        mod $module {
            #[allow(unused_imports, clippy::allow_attributes, reason = "the expression may use none of the imports")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $function() {
                    let under_test = $make.await;
                    $crate::test_support::contracts::$module::$function(under_test.as_ref()).await;
                }
            )+
        }
    };
}
