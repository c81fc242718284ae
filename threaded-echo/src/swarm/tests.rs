use super::*;

fn timeline(number: usize, first_reply: Option<u64>, finished: u64) -> ClientTimeline {
    let error = first_reply.is_none().then(|| "no reply".to_owned());
    let first_reply = first_reply.map(Duration::from_millis);
    ClientTimeline {
        number,
        first_reply,
        finished: Duration::from_millis(finished),
        error,
    }
}

#[test]
fn text_chart_has_one_bar_per_client() {
    let timelines = [
        timeline(2, Some(0), 500),
        timeline(1, Some(500), 1000),
        timeline(3, None, 250),
    ];
    let chart = text_chart(&timelines);
    let lines: Vec<_> = chart.lines().collect();
    assert_eq!(lines[0], format!("2 {}", "#".repeat(30)));
    assert_eq!(lines[1], format!("1 {}{}", ".".repeat(30), "#".repeat(30)));
    assert_eq!(lines[2], format!("3 {} failed", ".".repeat(15)));
    assert_eq!(
        lines[3..],
        [
            format!("  0 {:>58}", "1.00 s"),
            "  . waiting  # served".to_owned()
        ]
    );
}

#[test]
fn picture_escapes_title_and_shows_all_clients() {
    let timelines = [timeline(1, Some(0), 0), timeline(2, Some(1), 1)];
    let svg = svg_chart(&timelines, "a <b> & c");
    assert!(svg.contains("<title>a &lt;b> &amp; c</title>"), "{svg}");
    assert_eq!(svg.matches("class=\"served\"").count(), 2);
}
