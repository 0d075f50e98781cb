//! `Cache-Status`: how the cache handled a request (RFC 9211).

use std::collections::HashSet;

use actix_web::http::header::HeaderValue;
use user_domain::Source;
use user_domain::ports::{FreshnessSource, MissReason, Tier};

const STANDBY: &str = "user-service; fwd=miss; detail=standby";

/// Returns the `Cache-Status` of a response with one user.
pub(crate) fn of_one(source: Source) -> HeaderValue {
    HeaderValue::from_static(match source {
        Source::Cache(tier, freshness) => hit(Some(tier), freshness),
        Source::Coalesced => "user-service; fwd=miss; collapsed",
        Source::Store(MissReason::Unknown) => "user-service; fwd=miss",
        Source::Store(MissReason::Stale) => "user-service; fwd=stale",
        Source::Bypassed => "user-service; fwd=request",
        Source::Standby => STANDBY,
    })
}

/// Returns the `Cache-Status` of a response for which a standby was read, because the database was unavailable.
pub(crate) fn standby() -> HeaderValue {
    HeaderValue::from_static(STANDBY)
}

/// Returns the `Cache-Status` of a response with several users; `None` if no user was requested.
///
/// If a standby was read, it says so. It is a hit if all users are hits, and partial if some are. Otherwise it is the strongest reason for reading the
/// database. The order is: the client requested it, the entry was stale, the user was not cached, the read joined
/// another read.
pub(crate) fn of_many(sources: &HashSet<Source>) -> Option<HeaderValue> {
    let mut hits = sources.iter().filter_map(|source| match source {
        Source::Cache(tier, freshness) => Some((*tier, *freshness)),
        Source::Coalesced | Source::Store(_) | Source::Bypassed | Source::Standby => None,
    });
    let Some((tier, freshness)) = hits.next() else {
        let strongest = sources
            .iter()
            .copied()
            .max_by_key(|source| strength(*source))?;
        return Some(of_one(strongest));
    };
    if sources.contains(&Source::Standby) {
        return Some(standby());
    }
    if !sources
        .iter()
        .all(|source| matches!(source, Source::Cache(..)))
    {
        return Some(HeaderValue::from_static("user-service; fwd=partial"));
    }
    let (tier, freshness) = hits.fold(
        (Some(tier), freshness),
        |(all, worst), (tier, freshness)| {
            let worst = if freshness == FreshnessSource::Replicas {
                freshness
            } else {
                worst
            };
            (all.filter(|all| *all == tier), worst)
        },
    );
    Some(HeaderValue::from_static(hit(tier, freshness)))
}

/// Returns the text of a hit: the tier, if it is the same for all, and whether the database was unreachable. RFC 9211
/// does not define the values of `detail`.
fn hit(tier: Option<Tier>, freshness: FreshnessSource) -> &'static str {
    match (tier, freshness) {
        (Some(Tier::Process), FreshnessSource::Store) => "user-service; hit; detail=process",
        (Some(Tier::Process), FreshnessSource::Replicas) => {
            "user-service; hit; detail=process-database-unreachable"
        }
        (Some(Tier::Shared), FreshnessSource::Store) => "user-service; hit; detail=shared",
        (Some(Tier::Shared), FreshnessSource::Replicas) => {
            "user-service; hit; detail=shared-database-unreachable"
        }
        (None, FreshnessSource::Store) => "user-service; hit",
        (None, FreshnessSource::Replicas) => "user-service; hit; detail=database-unreachable",
    }
}

fn strength(reason: Source) -> u8 {
    match reason {
        Source::Cache(..) => 0,
        Source::Coalesced => 1,
        Source::Store(MissReason::Unknown) => 2,
        Source::Store(MissReason::Stale) => 3,
        Source::Bypassed => 4,
        Source::Standby => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: Source = Source::Cache(Tier::Process, FreshnessSource::Store);
    const SHARED: Source = Source::Cache(Tier::Shared, FreshnessSource::Store);
    const PROCESS_WITHOUT_DATABASE: Source =
        Source::Cache(Tier::Process, FreshnessSource::Replicas);
    const SHARED_WITHOUT_DATABASE: Source = Source::Cache(Tier::Shared, FreshnessSource::Replicas);
    const NOT_CACHED: Source = Source::Store(MissReason::Unknown);
    const STALE: Source = Source::Store(MissReason::Stale);

    fn many(sources: &[Source]) -> Option<String> {
        let sources = sources.iter().copied().collect();
        of_many(&sources).map(|line| line.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_source_of_one_user_has_its_own_status() {
        for (source, expected) in [
            (PROCESS, "user-service; hit; detail=process"),
            (SHARED, "user-service; hit; detail=shared"),
            (
                PROCESS_WITHOUT_DATABASE,
                "user-service; hit; detail=process-database-unreachable",
            ),
            (
                SHARED_WITHOUT_DATABASE,
                "user-service; hit; detail=shared-database-unreachable",
            ),
            (Source::Coalesced, "user-service; fwd=miss; collapsed"),
            (NOT_CACHED, "user-service; fwd=miss"),
            (STALE, "user-service; fwd=stale"),
            (Source::Bypassed, "user-service; fwd=request"),
            (Source::Standby, "user-service; fwd=miss; detail=standby"),
        ] {
            assert_eq!(of_one(source), expected);
            assert_eq!(many(&[source]).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_response_without_users_has_no_status() {
        assert_eq!(many(&[]), None);
    }

    #[test]
    fn hits_of_several_tiers_have_no_tier_in_the_detail() {
        for (sources, expected) in [
            (&[PROCESS, SHARED][..], "user-service; hit"),
            (
                &[PROCESS, SHARED_WITHOUT_DATABASE],
                "user-service; hit; detail=database-unreachable",
            ),
            (
                &[PROCESS, PROCESS_WITHOUT_DATABASE],
                "user-service; hit; detail=process-database-unreachable",
            ),
        ] {
            assert_eq!(many(sources).as_deref(), Some(expected), "{sources:?}");
        }
    }

    #[test]
    fn a_hit_among_misses_is_partial() {
        for other in [Source::Coalesced, NOT_CACHED, STALE, Source::Bypassed] {
            for hit in [PROCESS, SHARED_WITHOUT_DATABASE] {
                let status = many(&[hit, other]);
                assert_eq!(status.as_deref(), Some("user-service; fwd=partial"));
            }
        }
    }

    #[test]
    fn without_a_hit_the_strongest_reason_is_reported() {
        let reasons = [Source::Coalesced, NOT_CACHED, STALE, Source::Bypassed];
        for (weaker, reason) in reasons.iter().enumerate() {
            let status = many(&reasons[..=weaker]);
            assert_eq!(status.as_deref(), of_one(*reason).to_str().ok());
        }
    }
}
