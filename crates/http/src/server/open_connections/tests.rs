use super::*;
use crate::server::connection_state::Exchange;

fn worker(connections: usize) -> Rc<OpenConnections> {
    let limits = ConnectionLimits {
        connections,
        per_address: None,
        header_timeout: Duration::from_secs(5),
        keep_alive: Duration::from_secs(75),
    };
    OpenConnections::new(
        limits,
        Rc::new(ResourceLimits::new(1)),
        AddressCounts::default(),
    )
}

/// Completes a request and its response on a connection.
fn exchange(connection: &OpenConnection) {
    connection.state.begin_receiving();
    connection.state.begin_working();
    drop(Exchange::of(Some(&connection.state)));
}

fn is_open(connection: &OpenConnection) -> bool {
    connection.state.is_open()
}

#[test]
fn a_burst_of_new_connections_does_not_close_connections_between_two_requests() {
    let worker = worker(3);
    let used = worker.accept(None).unwrap();
    exchange(&used);
    let burst: Vec<_> = (0..10).map(|_| worker.accept(None).unwrap()).collect();
    assert!(is_open(&used));
    let open: Vec<_> = burst.iter().map(is_open).collect();
    assert_eq!(open, [[false; 8].as_slice(), &[true; 2]].concat());
}

#[test]
fn the_longest_idle_connection_between_two_requests_is_closed() {
    let worker = worker(2);
    let [first, second] = [worker.accept(None).unwrap(), worker.accept(None).unwrap()];
    exchange(&second);
    exchange(&first);
    let _third = worker.accept(None).unwrap();
    assert!(is_open(&first));
    assert!(!is_open(&second));
}

#[test]
fn an_idle_connection_is_closed_before_a_new_one_without_a_request() {
    let worker = worker(2);
    let used = worker.accept(None).unwrap();
    exchange(&used);
    for _ in 0..2 {
        worker.close_expired();
    }
    let new = worker.accept(None).unwrap();
    let _other = worker.accept(None).unwrap();
    assert!(!is_open(&used));
    assert!(is_open(&new));
}
