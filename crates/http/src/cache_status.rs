//! `Cache-Status`: how the cache took part in an answer (RFC 9211).

use std::collections::HashSet;

use actix_web::http::header::HeaderValue;
use user_domain::Source;
use user_domain::ports::{Missed, Tier, Voucher};

/// Tells where the one user of an answer comes from.
pub(crate) fn of_one(source: Source) -> HeaderValue {
    HeaderValue::from_static(match source {
        Source::Cache(tier, voucher) => hit(Some(tier), voucher),
        Source::Joined => "user-service; fwd=miss; collapsed",
        Source::Store(Missed::Unknown) => "user-service; fwd=miss",
        Source::Store(Missed::Unvouched) => "user-service; fwd=stale",
        Source::Asked => "user-service; fwd=request",
    })
}

/// Tells where the users of an answer come from; nothing if nobody was looked for.
///
/// It is a hit if all are hits, and partial if some are. Otherwise the strongest reason to ask the database is told: the
/// client wanted it, then nothing vouched for what was cached, then it was not cached, then another read was asking.
pub(crate) fn of_many(sources: &HashSet<Source>) -> Option<HeaderValue> {
    let mut hits = sources.iter().filter_map(|source| match source {
        Source::Cache(tier, voucher) => Some((*tier, *voucher)),
        Source::Joined | Source::Store(_) | Source::Asked => None,
    });
    let Some((tier, voucher)) = hits.next() else {
        let strongest = sources
            .iter()
            .copied()
            .max_by_key(|source| strength(*source))?;
        return Some(of_one(strongest));
    };
    if !sources
        .iter()
        .all(|source| matches!(source, Source::Cache(..)))
    {
        return Some(HeaderValue::from_static("user-service; fwd=partial"));
    }
    let (tier, voucher) = hits.fold((Some(tier), voucher), |(all, worst), (tier, voucher)| {
        let worst = if voucher == Voucher::Replicas {
            voucher
        } else {
            worst
        };
        (all.filter(|all| *all == tier), worst)
    });
    Some(HeaderValue::from_static(hit(tier, voucher)))
}

/// Words a hit: the tier if there is one, and whether the database could not be asked (RFC 9211 leaves `detail` to us).
fn hit(tier: Option<Tier>, voucher: Voucher) -> &'static str {
    match (tier, voucher) {
        (Some(Tier::Process), Voucher::Store) => "user-service; hit; detail=process",
        (Some(Tier::Process), Voucher::Replicas) => {
            "user-service; hit; detail=process-database-unreachable"
        }
        (Some(Tier::Shared), Voucher::Store) => "user-service; hit; detail=shared",
        (Some(Tier::Shared), Voucher::Replicas) => {
            "user-service; hit; detail=shared-database-unreachable"
        }
        (None, Voucher::Store) => "user-service; hit",
        (None, Voucher::Replicas) => "user-service; hit; detail=database-unreachable",
    }
}

fn strength(reason: Source) -> u8 {
    match reason {
        Source::Cache(..) => 0,
        Source::Joined => 1,
        Source::Store(Missed::Unknown) => 2,
        Source::Store(Missed::Unvouched) => 3,
        Source::Asked => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: Source = Source::Cache(Tier::Process, Voucher::Store);
    const SHARED: Source = Source::Cache(Tier::Shared, Voucher::Store);
    const PROCESS_ALONE: Source = Source::Cache(Tier::Process, Voucher::Replicas);
    const SHARED_ALONE: Source = Source::Cache(Tier::Shared, Voucher::Replicas);
    const UNKNOWN: Source = Source::Store(Missed::Unknown);
    const UNVOUCHED: Source = Source::Store(Missed::Unvouched);

    fn many(sources: &[Source]) -> Option<String> {
        let sources = sources.iter().copied().collect();
        of_many(&sources).map(|line| line.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_source_of_one_user_has_its_words() {
        for (source, words) in [
            (PROCESS, "user-service; hit; detail=process"),
            (SHARED, "user-service; hit; detail=shared"),
            (
                PROCESS_ALONE,
                "user-service; hit; detail=process-database-unreachable",
            ),
            (
                SHARED_ALONE,
                "user-service; hit; detail=shared-database-unreachable",
            ),
            (Source::Joined, "user-service; fwd=miss; collapsed"),
            (UNKNOWN, "user-service; fwd=miss"),
            (UNVOUCHED, "user-service; fwd=stale"),
            (Source::Asked, "user-service; fwd=request"),
        ] {
            assert_eq!(of_one(source), words);
            assert_eq!(many(&[source]).as_deref(), Some(words));
        }
    }

    #[test]
    fn nobody_looked_for_is_no_status() {
        assert_eq!(many(&[]), None);
    }

    #[test]
    fn hits_of_several_tiers_name_none() {
        for (sources, words) in [
            (&[PROCESS, SHARED][..], "user-service; hit"),
            (
                &[PROCESS, SHARED_ALONE],
                "user-service; hit; detail=database-unreachable",
            ),
            (
                &[PROCESS, PROCESS_ALONE],
                "user-service; hit; detail=process-database-unreachable",
            ),
        ] {
            assert_eq!(many(sources).as_deref(), Some(words), "{sources:?}");
        }
    }

    #[test]
    fn a_hit_among_others_is_partial() {
        for other in [Source::Joined, UNKNOWN, UNVOUCHED, Source::Asked] {
            for hit in [PROCESS, SHARED_ALONE] {
                let told = many(&[hit, other]);
                assert_eq!(told.as_deref(), Some("user-service; fwd=partial"));
            }
        }
    }

    #[test]
    fn without_a_hit_the_strongest_reason_is_told() {
        let reasons = [Source::Joined, UNKNOWN, UNVOUCHED, Source::Asked];
        for (weaker, reason) in reasons.iter().enumerate() {
            let told = many(&reasons[..=weaker]);
            assert_eq!(told.as_deref(), of_one(*reason).to_str().ok());
        }
    }
}
