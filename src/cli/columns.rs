//! Tables of text.

/// Rows under a heading; columns are as wide as their widest cell.
#[derive(Debug)]
pub(super) struct Columns {
    rows: Vec<Vec<String>>,
    /// Which columns hold numbers, and stand to the right.
    numbers: Vec<bool>,
}

impl Columns {
    /// A table with these headings; those that start with `#` (left out) are of numbers.
    pub(super) fn new(headings: &[&str]) -> Self {
        let numbers = headings.iter().map(|heading| heading.starts_with('#')).collect();
        let row = headings.iter().map(|heading| heading.trim_start_matches('#').to_owned());
        Self { rows: vec![row.collect()], numbers }
    }

    /// Appends a row.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, the heading first; at most `most` rows, and what is left out is counted.
    pub(super) fn lines(&self, most: usize) -> Vec<String> {
        let rows = self.rows.len().saturating_sub(1);
        // A line that says "1 more" takes as much room as the row.
        let shown = if rows <= most { rows } else { most.saturating_sub(1) };
        let mut widths = vec![0; self.numbers.len()];
        for row in self.rows.iter().take(shown + 1) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut lines: Vec<String> = self
            .rows
            .iter()
            .take(shown + 1)
            .map(|row| {
                let cells = row.iter().zip(&widths).zip(&self.numbers);
                let padded: Vec<String> = cells
                    .map(|((cell, &width), number)| match number {
                        true => format!("{cell:>width$}"),
                        false => format!("{cell:width$}"),
                    })
                    .collect();
                padded.join("  ").trim_end().to_owned()
            })
            .collect();
        if shown < rows {
            lines.push(format!("… and {} more", rows - shown));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_long_tables_are_cut() {
        let mut table = Columns::new(&["BROKER", "#QUEUED", "STATE"]);
        for (name, queued, state) in [("a", "5", "up"), ("london", "12000000", ""), ("c", "0", "x")]
        {
            table.row(vec![name.into(), queued.into(), state.into()]);
        }
        assert_eq!(
            table.lines(3),
            [
                "BROKER    QUEUED  STATE",
                "a              5  up",
                "london  12000000",
                "c              0  x"
            ]
        );
        assert_eq!(table.lines(2), ["BROKER  QUEUED  STATE", "a            5  up", "… and 2 more"]);
    }
}
