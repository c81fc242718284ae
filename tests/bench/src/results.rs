//! The figures: medians, ranges and ratios, as tables and as plots.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::clients::Sample;

/// All that was measured. It is what --json writes.
#[derive(Default, Serialize, Deserialize)]
pub struct Results {
    pub conditions: String,
    pub turns: Vec<Turn>,
}

/// What one turn of one server has found.
#[derive(Serialize, Deserialize)]
pub struct Turn {
    pub work: String,
    pub server: String,
    pub metric: String,
    pub value: f64,
}

/// The metrics, with their heads and digits in a table.
const METRICS: [(&str, &str, usize); 9] = [
    ("value", "median", 2),
    ("rate", "per second", 0),
    ("p50", "p50 µs", 0),
    ("p99", "p99 µs", 0),
    ("cpu", "CPU µs", 2),
    ("open", "open s", 2),
    ("user", "KiB", 1),
    ("kernel", "kernel KiB", 1),
    ("idle", "idle CPU %", 1),
];

const SERVERS_OF_PLOTS: [&str; 4] = ["threaded", "tokio", "python", "floor"];

impl Results {
    /// Measures, and keeps what is found. An error ends only this turn.
    pub fn take_turn(
        &mut self,
        work: &str,
        server: &str,
        round: usize,
        measure: impl FnOnce() -> Result<Sample>,
    ) {
        let mut stderr = io::stderr();
        if stderr.is_terminal() {
            let _ = write!(stderr, "\r\x1b[K{work}, round {round}: {server}\r"); // stderr may be closed
        }
        let sample = measure().unwrap_or_else(|error| {
            eprintln!("{work}, round {round}: {server}: {error}");
            Sample::new()
        });
        self.turns
            .extend(sample.into_iter().map(|(metric, value)| Turn {
                work: work.to_owned(),
                server: server.to_owned(),
                metric: metric.to_owned(),
                value,
            }));
    }

    /// Returns what each turn has found, in the order of the rounds.
    fn values(&self, work: &str, server: &str, metric: &str) -> Vec<f64> {
        let turns = self.turns.iter();
        let turns = turns.filter(|turn| turn.work == work && turn.server == server);
        turns
            .filter(|turn| turn.metric == metric)
            .map(|turn| turn.value)
            .collect()
    }

    fn works(&self) -> Vec<&str> {
        let mut works: Vec<_> = self.turns.iter().map(|turn| turn.work.as_str()).collect();
        works.dedup();
        works
    }

    /// Prints a table for each kind of work.
    pub fn print(&self) {
        println!("{}", self.conditions);
        for work in self.works() {
            let turns = self.turns.iter().filter(|turn| turn.work == work);
            let mut servers: Vec<&str> = Vec::new();
            for turn in turns {
                if !servers.contains(&turn.server.as_str()) {
                    servers.push(&turn.server);
                }
            }
            let has = |metric| {
                servers
                    .iter()
                    .any(|server| !self.values(work, server, metric).is_empty())
            };
            let metrics: Vec<_> = METRICS.iter().filter(|(metric, ..)| has(metric)).collect();
            let heads = metrics.iter().map(|(_, head, _)| format!(" {head} |"));
            println!(
                "\n| {work:<17} | ratio | range |{}",
                heads.collect::<String>()
            );
            println!("|:--|--:|--:|{}", "--:|".repeat(metrics.len()));
            let floor = self.values(work, servers[0], "rate");
            for server in &servers {
                let rates = self.values(work, server, "rate");
                let ratios = rates.iter().zip(&floor).map(|(rate, floor)| rate / floor);
                let [low, ratio, high] = summary(ratios.collect());
                print!("| {server:<17} | {ratio:.2} | {low:.2}–{high:.2} |");
                for (metric, head, digits) in &metrics {
                    let [_, median, _] = summary(self.values(work, server, metric));
                    print!(" {median:>width$.digits$} |", width = head.chars().count());
                }
                println!();
            }
        }
    }

    /// Draws the plots of the book, in Korean and in English, below this folder.
    pub fn plot(&self, folder: &Path) -> Result<()> {
        for (language, titles, x_name, plots) in [
            (
                "ko",
                [
                    "클라이언트마다 스레드 하나",
                    "모든 클라이언트에 반복문 하나",
                ],
                "클라이언트 수",
                [
                    ("rate", "초당 메시지 수"),
                    ("p99", "왕복 시간, 느린 쪽 1%(µs)"),
                ],
            ),
            (
                "en",
                ["clients with a thread each", "clients in one loop"],
                "clients",
                [
                    ("rate", "messages per second"),
                    ("p99", "round trip, slowest 1 % (µs)"),
                ],
            ),
        ] {
            for (metric, y_name) in plots {
                let file = format!("docs/{language}/images/measured-{metric}.svg");
                let file = folder.join(file);
                let area = SVGBackend::new(&file, (900, 360)).into_drawing_area();
                area.fill(&WHITE)?;
                for ((area, title), kind) in area
                    .split_evenly((1, 2))
                    .iter()
                    .zip(titles)
                    .zip(["threads", "events"])
                {
                    self.draw(area, kind, metric, [title, x_name, y_name])?;
                }
                area.present()?;
            }
        }
        Ok(())
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        kind: &str,
        metric: &str,
        [title, x_name, y_name]: [&str; 3],
    ) -> Result<()> {
        let lines = SERVERS_OF_PLOTS.map(|server| {
            let points = self.works().into_iter().filter_map(|work| {
                let clients = work
                    .strip_prefix(kind)?
                    .strip_prefix('-')?
                    .parse::<f64>()
                    .ok()?;
                Some((clients, summary(self.values(work, server, metric))[1]))
            });
            (server, points.collect::<Vec<_>>())
        });
        let values = || {
            lines
                .iter()
                .flat_map(|(_, points)| points)
                .map(|point| point.1)
        };
        let y = values().fold(f64::MAX, f64::min) / 2.0..values().fold(0.0, f64::max) * 4.0;
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(75)
            .build_cartesian_2d((1.0..256.0).log_scale().base(4.0), y.log_scale())?;
        let mesh = &mut chart.configure_mesh();
        mesh.x_desc(x_name)
            .y_desc(y_name)
            .x_labels(5)
            .light_line_style(WHITE)
            .draw()?;
        for (index, (server, points)) in lines.iter().enumerate() {
            let style = Palette99::pick(index).stroke_width(2);
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style);
            let line = LineSeries::new(points.iter().copied(), style).point_size(3);
            chart.draw_series(line)?.label(*server).legend(legend);
        }
        let labels = &mut chart.configure_series_labels();
        labels
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .draw()?;
        Ok(())
    }
}

/// Returns the least, the median and the greatest.
fn summary(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    [at(0), (at(last / 2) + at(values.len() / 2)) / 2.0, at(last)]
}
