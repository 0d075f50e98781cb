//! Tables for a terminal.

use unicode_width::UnicodeWidthStr as _;

/// The cells of a row.
pub(super) type Row<const N: usize> = [String; N];

/// Formats rows in aligned columns below the headings, one line per row.
pub(super) fn lay_out<const N: usize>(
    headings: [&str; N],
    rows: impl Iterator<Item = Row<N>>,
) -> Vec<String> {
    let headings = headings.map(str::to_owned);
    let rows: Vec<Row<N>> = std::iter::once(headings).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_for_wide_characters() {
        let row = |name: &str| ["1", name, "active", "", "", "now"].map(str::to_owned);
        let widths = [2, 8, 6, 1, 1, 3];
        let (wide, narrow) = (line(&row("北京"), &widths), line(&row("anna"), &widths));
        assert_eq!(wide.width(), narrow.width());
        assert_eq!(narrow, "1   anna      active        now");
    }

    #[test]
    fn an_empty_table_is_its_headings() {
        let lines = lay_out(["ID", "NAME"], std::iter::empty());
        assert_eq!(lines, ["ID  NAME"]);
    }
}
