//! The figures: medians, ranges and ratios, as tables and as plots.

use std::path::Path;

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
        let has = |metric| {
            servers
                .iter()
                .any(|(_, samples)| median(samples, metric).is_some())
        };
        let metrics: Vec<_> = METRICS.iter().filter(|(metric, ..)| has(metric)).collect();
        let heads = metrics.iter().map(|(_, head, _)| format!(" {head} |"));
        println!(
            "\n| {work:<40} | {:>17} |{}",
            "ratio",
            heads.collect::<String>()
        );
        println!("|:--|--:|{}", "--:|".repeat(metrics.len()));
        for (server, samples) in servers {
            let rounds = samples.iter().zip(&servers[0].1);
            let ratio =
                |(own, floor): (&Sample, &Sample)| Some(own.get("rate")? / floor.get("rate")?);
            let ratios = summary(rounds.filter_map(ratio).collect());
            let ratios =
                ratios.map(|[low, ratio, high]| format!("{ratio:.2} ({low:.2}–{high:.2})"));
            print!("| {server:<40} | {:>17} |", ratios.unwrap_or_default());
            for (metric, head, digits) in &metrics {
                let (width, value) = (head.chars().count(), median(samples, metric));
                let value = value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
                print!(" {value:>width$} |");
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

/// Draws the plots of the book, in Korean and in English, below this folder.
pub fn plot(results: &Results, folder: &Path) -> Result<()> {
    for (language, [threads, events, clients, rate, p99]) in WORDS {
        for (metric, name) in [("rate", rate), ("p99", p99)] {
            let file = folder.join(format!("docs/{language}/images/measured-{metric}.svg"));
            let area = SVGBackend::new(&file, (900, 360)).into_drawing_area();
            area.fill(&WHITE)?;
            let (left, right) = area.split_horizontally(450);
            draw(
                &left,
                &lines(results, "threads-", metric),
                [threads, clients, name],
            )?;
            draw(
                &right,
                &lines(results, "events-", metric),
                [events, clients, name],
            )?;
            area.present()?;
        }
    }
    Ok(())
}

type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// Returns the median for each number of clients, of the servers that are drawn.
fn lines<'a>(results: &Results, kind: &str, metric: &str) -> Vec<Line<'a>> {
    let line = |server| {
        let points = results.iter().filter_map(|(work, servers)| {
            let clients = work.strip_prefix(kind)?.parse().ok()?;
            let (_, samples) = servers.iter().find(|(name, _)| name == server)?;
            Some((clients, median(samples, metric)?))
        });
        (server, points.collect())
    };
    ["threaded", "tokio", "python", "floor"].map(line).into()
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    lines: &[Line<'_>],
    [title, x_name, y_name]: [&str; 3],
) -> Result<()> {
    let values = lines.iter().flat_map(|(_, points)| points);
    let Some([low, _, high]) = summary(values.map(|point| point.1).collect()) else {
        return Err("there is nothing to plot: measure threads and events".into());
    };
    let y = (low / 2.0..high * 4.0).log_scale();
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(75)
        .build_cartesian_2d((1.0..256.0).log_scale().base(4.0), y)?;
    let mesh = &mut chart.configure_mesh();
    mesh.x_desc(x_name)
        .y_desc(y_name)
        .light_line_style(WHITE)
        .draw()?;
    for (index, (server, points)) in lines.iter().enumerate() {
        let style = Palette99::pick(index).stroke_width(2);
        let line = LineSeries::new(points.iter().copied(), style).point_size(3);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style);
        chart.draw_series(line)?.label(*server).legend(legend);
    }
    let labels = &mut chart.configure_series_labels();
    labels
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .draw()?;
    Ok(())
}

fn median(samples: &[Sample], metric: &str) -> Option<f64> {
    let values = samples
        .iter()
        .filter_map(|sample| sample.get(metric).copied());
    summary(values.collect()).map(|[_, median, _]| median)
}

/// Returns the least, the median and the greatest.
fn summary(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let (len, low, high) = (values.len(), values.first()?, values.last()?);
    Some([*low, (values[(len - 1) / 2] + values[len / 2]) / 2.0, *high])
}
