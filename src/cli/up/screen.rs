//! Showing pictures: rewritten in place on a terminal, line by line elsewhere.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::picture::Picture;
use crate::cli::quantities::duration;

/// Lines that are shown where the terminal does not say how many it has.
const ROOM: usize = 23;

/// Pictures that a rate is taken over: one evens out too little.
const REMEMBERED: usize = 4;

/// Counters are shown no more often than this where every line stays.
const COUNTERS: Duration = Duration::from_secs(1);

/// Where pictures are shown.
pub(super) struct Screen {
    terminal: bool,
    /// Lines of the picture that stands on the terminal.
    drawn: usize,
    /// The pictures that were shown last; rates are taken from the oldest.
    earlier: VecDeque<Picture>,
    /// What the last line of counters said, and when.
    counters: Option<(Duration, String)>,
}

impl Screen {
    /// Standard output.
    pub(super) fn standard_output() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            drawn: 0,
            earlier: VecDeque::new(),
            counters: None,
        }
    }

    /// Shows a picture.
    pub(super) fn show(&mut self, picture: Picture) {
        // Whoever reads it may have gone: the brokers go on.
        let _ = if self.terminal { self.redraw(&picture) } else { self.append(&picture) };
        self.earlier.push_back(picture);
        if self.earlier.len() > REMEMBERED {
            self.earlier.pop_front();
        }
    }

    fn redraw(&mut self, picture: &Picture) -> io::Result<()> {
        // One is left for where the cursor rests: a picture as high as the terminal would scroll.
        let room = rows().map_or(ROOM, |rows| rows.saturating_sub(1).max(1));
        let lines = picture.lines(self.earlier.front(), room);
        // Long lines are cut: wrapped, they would make the next picture start too low.
        let mut text = "\x1b[?7l".to_owned();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for line in &lines {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J\x1b[?7h");
        self.drawn = lines.len();
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn append(&mut self, picture: &Picture) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for change in picture.changes(self.earlier.back()) {
            writeln!(out, "{change}")?;
        }
        let now = picture.running();
        let counters = picture.counters();
        let due = self.counters.as_ref().is_none_or(|(shown, last)| {
            now.saturating_sub(*shown) >= COUNTERS && *last != counters
        });
        if due {
            writeln!(out, "{}: {counters}", duration(now))?;
            self.counters = Some((now, counters));
        }
        out.flush()
    }
}

/// How many lines the terminal has now; it may have been resized.
fn rows() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}
