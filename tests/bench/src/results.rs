//! The figures: medians, ranges and ratios, as tables and as plots.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;
use crate::clients::Sample;

/// What was measured at one kind of work: for each server, a sample per round.
pub type Results = Vec<(String, Vec<(String, Vec<Sample>)>)>;

/// The metrics, with their heads and digits in a table.
#[rustfmt::skip]
const METRICS: [(&str, &str, usize); 9] = [
    ("value", "median", 2), ("rate", "per second", 0), ("p50", "p50 µs", 0), ("p99", "p99 µs", 0),
    ("cpu", "CPU µs", 2), ("open", "open s", 2), ("user", "KiB", 1), ("kernel", "kernel KiB", 1),
    ("idle", "idle CPU %", 1),
];

/// Prints a table for each kind of work.
pub fn print(results: &Results) {
    for (work, servers) in results {
        let samples = || servers.iter().flat_map(|(_, samples)| samples);
        let has = |metric| samples().any(|sample| sample.contains_key(metric));
        let metrics: Vec<_> = METRICS.iter().filter(|(metric, ..)| has(metric)).collect();
        print!("\n| {work:<36} |             ratio |");
        metrics.iter().for_each(|(_, head, _)| print!(" {head} |"));
        println!("\n|:--|--:|{}", "--:|".repeat(metrics.len()));
        for (server, samples) in servers {
            let pairs = samples.iter().zip(&servers[0].1);
            let pairs = pairs.filter_map(|(own, floor)| own.get("rate").zip(floor.get("rate")));
            let ratios = summary(pairs.map(|(own, floor)| own / floor).collect());
            let ratio = |[low, median, high]: [f64; 3]| format!("{median:.2} ({low:.2}–{high:.2})");
            print!(
                "| {server:<36} | {:>17} |",
                ratios.map(ratio).unwrap_or_default()
            );
            for (metric, head, digits) in &metrics {
                let (width, value) = (head.chars().count(), median(samples, metric));
                let value = value.map(|value| format!("{value:.digits$}"));
                print!(" {:>width$} |", value.unwrap_or_default());
            }
            println!();
        }
    }
}

/// The words of the plots.
#[rustfmt::skip]
const WORDS: [(&str, [&str; 5]); 2] = [
    ("ko", ["클라이언트마다 스레드 하나", "모든 클라이언트에 반복문 하나", "클라이언트 수", "초당 메시지 수", "왕복 시간, 느린 쪽 1%(µs)"]),
    ("en", ["clients with a thread each", "clients in one loop", "clients", "messages per second", "round trip, slowest 1 % (µs)"]),
];

/// Draws the plots of the book, in Korean and in English.
pub fn plot(results: &Results) -> Result<()> {
    for (language, [threads, events, x_name, rate, p99]) in WORDS {
        for (metric, y_name) in [("rate", rate), ("p99", p99)] {
            let file = format!("docs/{language}/images/measured-{metric}.svg");
            let file = suite::root().join(file);
            let area = SVGBackend::new(&file, (900, 360)).into_drawing_area();
            area.fill(&WHITE)?;
            let (left, right) = area.split_horizontally(450);
            let lines = |kind| DRAWN.map(|server| line(results, server, kind, metric));
            draw(&left, lines("threads-"), [threads, x_name, y_name])?;
            draw(&right, lines("events-"), [events, x_name, y_name])?;
            area.present()?;
        }
    }
    Ok(())
}

/// The servers in the plots.
const DRAWN: [&str; 4] = ["threaded", "tokio", "python", "floor"];

/// Returns the number of clients and the median of each kind of work.
fn line(results: &Results, server: &str, kind: &str, metric: &str) -> Vec<(f64, f64)> {
    let points = results.iter().filter_map(|(work, servers)| {
        let clients = work.strip_prefix(kind)?.parse().ok()?;
        let (_, samples) = servers.iter().find(|(name, _)| name == server)?;
        Some((clients, median(samples, metric)?))
    });
    points.collect()
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    lines: [Vec<(f64, f64)>; 4],
    [title, x_name, y_name]: [&str; 3],
) -> Result<()> {
    let values = lines.iter().flatten().map(|(_, value)| *value).collect();
    let [low, _, high] = summary(values).ok_or("measure threads and events for a plot")?;
    let y = (low / 2.0..high * 4.0).log_scale();
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(75)
        .build_cartesian_2d((1.0..256.0).log_scale().base(4.0), y)?;
    let mesh = &mut chart.configure_mesh();
    let label = |value: &f64| format!("{value:.0}");
    mesh.x_desc(x_name).y_desc(y_name).max_light_lines(0);
    mesh.x_label_formatter(&label);
    mesh.y_label_formatter(&label).draw()?;
    for (index, points) in lines.into_iter().enumerate() {
        let style = Palette99::pick(index).stroke_width(2);
        let line = LineSeries::new(points, style).point_size(3);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style);
        chart.draw_series(line)?.label(DRAWN[index]).legend(legend);
    }
    let labels = &mut chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperLeft).draw()?;
    Ok(())
}

fn median(samples: &[Sample], metric: &str) -> Option<f64> {
    let values = samples.iter().filter_map(|sample| sample.get(metric));
    summary(values.copied().collect()).map(|[_, median, _]| median)
}

/// Returns the least, the median and the greatest.
fn summary(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let (len, low, high) = (values.len(), values.first()?, values.last()?);
    Some([*low, (values[(len - 1) / 2] + values[len / 2]) / 2.0, *high])
}
