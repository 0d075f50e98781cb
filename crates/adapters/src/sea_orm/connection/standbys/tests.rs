use super::*;

fn standbys() -> Standbys {
    Standbys::new(Vec::new(), 8, &PoolOptions::default())
}

fn position(writes: u64) -> PolledPosition {
    PolledPosition {
        history: "one".to_owned(),
        writes: WritePosition::from_store(writes),
        event: (0, String::new()),
    }
}

fn required(standbys: &Standbys, now: Instant) -> Option<u64> {
    let poll = standbys.required(now)?;
    Some(poll.position.writes.get())
}

#[tokio::test]
async fn a_read_relies_on_the_oldest_poll_that_began_within_a_second() {
    let (standbys, start) = (standbys(), Instant::now());
    let at = |millis| start + Duration::from_millis(millis);
    assert_eq!(required(&standbys, start), None);
    for (millis, writes) in [(0, 10), (400, 20), (800, 30)] {
        standbys.record_poll(at(millis), position(writes));
    }
    assert_eq!(required(&standbys, at(1000)), Some(10));
    assert_eq!(required(&standbys, at(1001)), Some(20));
    assert_eq!(required(&standbys, at(1800)), Some(30));
    assert_eq!(required(&standbys, at(1801)), None);
}

#[tokio::test]
async fn a_read_with_a_position_relies_on_a_poll_that_covers_it() {
    let (standbys, start) = (standbys(), Instant::now());
    for (millis, writes) in [(0, 10), (400, 20), (800, 30)] {
        standbys.record_poll(start + Duration::from_millis(millis), position(writes));
    }
    for (at_least, expected) in [(10, 10), (11, 20), (30, 30), (31, 30)] {
        let context = ReadContext::new(WritePosition::from_store(at_least));
        let relied_on = context.run(async { required(&standbys, start) }).await;
        assert_eq!(relied_on, Some(expected));
    }
}
