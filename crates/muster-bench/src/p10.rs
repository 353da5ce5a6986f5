//! P10: memory of an idle service, alone and with many tenants.

use std::time::Duration;

use crate::events::Courier;
use crate::measure::{memory, pause};
use crate::report::{Goal, Report};
use crate::service::{Service, Stage};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many tenants there are, each with a hook.
    #[arg(long, default_value_t = 10_000)]
    tenants: usize,
    /// How long the service is left alone before its memory is read.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How often each is measured, in turn.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let title = format!("P10: memory when idle, alone and with {} tenants", options.tenants);
    let mut report = Report::new(options.json, &title);
    let alone = Stage::new(None, None, 1).await?;
    let mut many = Stage::new(None, None, 2).await?;
    report.note("the tenants are made");
    for tenant in 0..options.tenants {
        many.tenant(&format!("t{tenant}"), None).await?;
    }
    let idle = Duration::from_secs(options.seconds);
    let (mut empty, mut full, mut used, mut peak) = (vec![], vec![], vec![], vec![]);
    for round in 0..options.times {
        let service = Service::start(&alone, &[])?;
        pause(idle).await;
        empty.push(megabytes(&service, "VmRSS"));
        drop(service);
        let service = Service::start(&many, &[])?;
        pause(idle).await;
        full.push(megabytes(&service, "VmRSS"));
        // A call of every tenant's hook, so that the door knows all of them; nobody is connected, so nothing can be read.
        let courier = Courier::new(service.public);
        for tenant in 0..options.tenants {
            let user = format!("00u{tenant:017}");
            courier.deliver(&format!("t{tenant}"), &user, round, tenant as u64).await?;
        }
        pause(idle).await;
        used.push(megabytes(&service, "VmRSS"));
        peak.push(megabytes(&service, "VmHWM"));
    }
    report.add("no tenant", "MB", empty, Goal::AtMost(25.0));
    report.add("many tenants", "MB", full, Goal::AtMost(150.0));
    report.add("the same after a hook of each", "MB", used, Goal::AtMost(150.0));
    report.add("the most it held until then", "MB", peak, Goal::None);
    report.tell();
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn megabytes(service: &Service, which: &str) -> f64 {
    memory(service.process(), which) as f64 / 1e6
}
