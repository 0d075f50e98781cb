//! The number of connections of each address. The addresses of one IPv6 network are counted as one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of connections of each address, over all workers.
#[derive(Debug, Default, Clone)]
pub(super) struct AddressCounts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of an address. It is counted until this is dropped.
pub(super) struct CountedAddress {
    addresses: AddressCounts,
    address: IpAddr,
}

impl AddressCounts {
    /// Counts a connection if its address has fewer than `limit`.
    pub(super) fn add(&self, address: IpAddr, limit: usize) -> Option<CountedAddress> {
        let address = counted_address(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(CountedAddress {
            addresses: self.clone(),
            address,
        })
    }
}

/// Returns the address under which a connection is counted. It is the IPv4 address of a mapped address, and the /64
/// network of an IPv6 address, which is the least that a subscriber receives (RFC 6177).
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Drop for CountedAddress {
    fn drop(&mut self) {
        let counts = self.addresses.0.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_and_mapped_ipv4_addresses_are_counted_as_one() {
        let counted = |address: &str| counted_address(address.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("2001:db8:1:2::"), "2001:db8:1:2::");
        assert_eq!(counted("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn a_connection_is_counted_until_it_is_dropped() {
        let addresses = AddressCounts::default();
        let add = |address: &str| addresses.add(address.parse().unwrap(), 1);
        let first = add("2001:db8::1").unwrap();
        assert!(add("2001:db8::2").is_none());
        assert!(add("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(add("2001:db8::2").is_some());
    }
}
