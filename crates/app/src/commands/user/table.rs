//! Users as a table, for a terminal.

use unicode_width::UnicodeWidthStr as _;
use user_domain::view::UserView;

const HEADINGS: [&str; 6] = ["ID", "USERNAME", "STATUS", "EMAIL", "ROLES", "CREATED"];

type Row = [String; HEADINGS.len()];

/// Lays users out in columns, a line each below the headings.
pub(super) fn lay_out<'a>(users: impl Iterator<Item = &'a UserView>) -> Vec<String> {
    let headings = HEADINGS.map(str::to_owned);
    let rows: Vec<Row> = std::iter::once(headings).chain(users.map(row)).collect();
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn row(view: &UserView) -> Row {
    let (public, own) = (view.public(), view.own());
    let roles = own.map_or_else(Vec::new, |own| {
        own.roles.iter().map(ToString::to_string).collect()
    });
    [
        public.id.to_string(),
        public.username.as_str().to_owned(),
        public.status.as_str().to_owned(),
        own.map_or_else(String::new, |own| own.email.as_str().to_owned()),
        roles.join(","),
        public.created_at.to_string(),
    ]
}

fn line(row: &Row, widths: &[usize]) -> String {
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
    fn columns_begin_below_each_other_whatever_the_width_of_the_letters() {
        let row = |name: &str| ["1", name, "active", "", "", "now"].map(str::to_owned);
        let widths = [2, 8, 6, 1, 1, 3];
        let (wide, narrow) = (line(&row("北京"), &widths), line(&row("anna"), &widths));
        assert_eq!(wide.width(), narrow.width());
        assert_eq!(narrow, "1   anna      active        now");
    }

    #[test]
    fn nobody_is_a_line_of_headings() {
        let lines = lay_out(std::iter::empty());
        assert_eq!(lines, ["ID  USERNAME  STATUS  EMAIL  ROLES  CREATED"]);
    }
}
