//! The figures on the pages: minutes, and which checks the steps pass.

use crate::page::{Page, regex};

/// Returns the minutes that it takes to read a page: counted, not guessed.
fn minutes_to_read(page: &Page) -> usize {
    let mut minutes = 0.0;
    for piece in page.pieces() {
        let text = regex(r"\]\([^)]*\)|<[^>]*>|\d").replace_all(&piece.text, "");
        let letters = text.chars().filter(|letter| letter.is_alphabetic());
        let words = text.split_whitespace();
        let words = words.filter(|word| word.contains(char::is_alphabetic));
        let lines = piece.lines.len().saturating_sub(2);
        let mut changed = piece.lines.clone();
        changed.retain(|line| line.starts_with(['+', '-'])); // the other lines of a diff are known
        let (amount, per_minute) = match piece.info {
            None if page.is_korean() => (letters.count(), 400),
            None => (words.count(), 200),
            Some("rust") => (lines, 10),
            Some("diff") => (changed.len(), 10),
            Some("python") => (lines, 25),
            Some(_) => (lines, 30),
        };
        minutes += amount as f64 / f64::from(per_minute);
    }
    minutes.ceil() as usize
}

/// Returns the line for `time do=10`, or for `time` where there is nothing to do.
pub fn time_line(page: &Page, to_do: &[&str]) -> Result<String, String> {
    let to_read = minutes_to_read(page);
    let minutes = |to_do: &&str| to_do.strip_prefix("do=")?.parse::<usize>().ok();
    let to_do: Option<usize> = to_do.iter().map(minutes).sum();
    let to_do = to_do.ok_or("write `time do=10`, or `time`")?;
    let minutes = |number| format!("{number} minute{}", if number == 1 { "" } else { "s" });
    Ok(match (page.is_korean(), to_do) {
        (true, 0) => format!("**읽기 {to_read}분**"),
        (true, _) => format!("**읽기 {to_read}분 · 해 보기 {to_do}분**"),
        (false, 0) => format!("**{} to read**", minutes(to_read)),
        (false, _) => format!(
            "**{} to read · {} to do**",
            minutes(to_read),
            minutes(to_do)
        ),
    })
}

/// Returns a table of these pages, with the minutes to read and to do.
pub fn times_table(page: &Page, addresses: &[&str]) -> Result<String, String> {
    let [head, sum] = match page.is_korean() {
        true => ["| 페이지 | 읽기(분) | 해 보기(분) |", "합계"],
        false => ["| Page | Minutes to read | Minutes to do |", "Sum"],
    };
    let mut table = format!("{head}\n|---|--:|--:|\n");
    let mut sums = [0, 0];
    for address in addresses {
        let page = Page::read(&page.resolve(address))?;
        let to_do = regex("<!-- time do=([0-9]+) -->").captures(&page.text);
        let to_do = to_do.map_or(0, |to_do| to_do[1].parse().unwrap_or(0));
        let to_read = minutes_to_read(&page);
        let title = page.text.lines().next().unwrap_or_default();
        let title = title.trim_start_matches("# ");
        table += &format!("| [{title}]({address}) | {to_read} | {to_do} |\n");
        sums = [sums[0] + to_read, sums[1] + to_do];
    }
    Ok(format!("{table}| {sum} | {} | {} |", sums[0], sums[1]))
}

/// Returns the table of what the checker found, from lines of words: the steps, then a check and its marks.
pub fn checks_table(page: &Page, found: &str) -> String {
    let cells = |line: &'_ str| line.split(' ').map(String::from).collect();
    let rows: Vec<Vec<_>> = found.lines().map(cells).collect();
    let (steps, checks) = (&rows[0], &rows[1..]);
    let [check, sum] = match page.is_korean() {
        true => ["검사", "통과"],
        false => ["Check", "Passed"],
    };
    let mut table = format!("| {check} | {} |\n|---|", steps.join(" | "));
    table += &(":-:|".repeat(steps.len()) + "\n");
    for cells in checks {
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table += &format!("| {sum} |");
    for column in 1..=steps.len() {
        let passed = checks
            .iter()
            .filter(|cells| cells.get(column).is_some_and(|mark| mark == "✓"));
        table += &format!(" {} / {} |", passed.count(), checks.len());
    }
    table
}
