//! Statements about many rows, in few shapes: each shape is prepared once a connection and kept there by both sides, so
//! that one for each number of rows would fill their memory and be kept for nothing.

/// The most rows that one statement writes.
const MOST_ROWS: usize = 128;

/// Fills a list up to a power of two by repeating its last value, which changes no answer to who is in it.
pub(super) fn padded<T: Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// Splits rows into parts of 1, 2, 4 … [`MOST_ROWS`], the largest first.
pub(super) fn parts<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = MOST_ROWS.min(1 << rest.len().checked_ilog2()?);
        let (part, behind) = rest.split_at_checked(size)?;
        rest = behind;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_padded_list_has_the_same_values_and_one_of_few_lengths() {
        assert_eq!(padded([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
        assert_eq!(padded([1]), [1]);
        assert!(padded::<u8>([]).is_empty());
        let lengths: BTreeSet<usize> = (0..=500).map(|n| padded(0..n).len()).collect();
        assert_eq!(lengths.len(), 11);
    }

    #[test]
    fn parts_are_all_rows_in_order_in_few_sizes() {
        let rows: Vec<usize> = (0..500).collect();
        let mut sizes = BTreeSet::new();
        for count in 0..=rows.len() {
            let together: Vec<usize> = parts(&rows[..count])
                .inspect(|part| {
                    sizes.insert(part.len());
                })
                .flatten()
                .copied()
                .collect();
            assert_eq!(together, rows[..count]);
        }
        assert_eq!(sizes, BTreeSet::from([1, 2, 4, 8, 16, 32, 64, 128]));
    }
}
