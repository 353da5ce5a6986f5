//! What a measurement came to: rows for people, or one JSON object for programs.

use serde_json::{Value, json};

use crate::measure::{Spread, spread};
use crate::show;

/// How a figure is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Only told.
    None,
}

impl Goal {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
            Self::None => None,
        }
    }
}

struct Row {
    name: String,
    unit: &'static str,
    spread: Spread,
    goal: Goal,
}

/// Figures in the order in which they are told.
pub(crate) struct Report {
    json: bool,
    title: String,
    rows: Vec<Row>,
}

impl Report {
    /// A report that is told as one JSON object, or as rows under a heading that is printed at once.
    pub(crate) fn new(json: bool, title: &str) -> Self {
        if !json {
            show::header(title);
        }
        Self { json, title: title.to_owned(), rows: Vec::new() }
    }

    /// Says how far it is, to people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// Adds a figure from its rounds, and gives its median.
    pub(crate) fn add(
        &mut self,
        name: &str,
        unit: &'static str,
        rounds: impl IntoIterator<Item = f64>,
        goal: Goal,
    ) -> f64 {
        let spread = spread(rounds);
        self.rows.push(Row { name: name.to_owned(), unit, spread, goal });
        spread.median
    }

    /// Tells all figures.
    pub(crate) fn tell(&self) {
        if self.json {
            println!("{}", self.object());
            return;
        }
        for Row { name, unit, spread, goal } in &self.rows {
            let range = format!("({} to {})", figure(spread.least), figure(spread.most));
            let judged = match (goal, goal.met(spread.median)) {
                (Goal::AtMost(most), Some(met)) => format!("goal at most {most}: {}", word(met)),
                (Goal::AtLeast(least), Some(met)) => {
                    format!("goal at least {least}: {}", word(met))
                }
                _ => String::new(),
            };
            println!("{name:<48} {:>9} {unit:<6} {range:<22} {judged}", figure(spread.median));
        }
    }

    fn object(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|Row { name, unit, spread, goal }| {
                let (kind, value) = match goal {
                    Goal::AtMost(most) => ("at_most", Some(*most)),
                    Goal::AtLeast(least) => ("at_least", Some(*least)),
                    Goal::None => ("none", None),
                };
                json!({
                    "name": name, "unit": unit, "median": spread.median, "least": spread.least, "most": spread.most,
                    "goal": value.map(|value| json!({ kind: value })), "met": goal.met(spread.median),
                })
            })
            .collect();
        json!({"title": self.title, "machine": show::machine(), "commit": show::commit(), "figures": rows})
    }
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1_000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
