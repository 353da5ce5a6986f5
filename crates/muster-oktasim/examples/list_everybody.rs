//! Lists everybody of a large org, page after page, without HTTP: to see what the simulator itself costs.
//!
//! ```sh
//! cargo build --release -p muster-oktasim --example list_everybody
//! time target/release/examples/list_everybody 1000000
//! ```
//!
//! A second argument lists so many times: the difference is the time of one listing without the building.

use jiff::Timestamp;
use muster_oktasim::{OrgHandle, Request, org};

fn main() {
    let mut arguments =
        std::env::args().skip(1).map(|text| text.parse::<u32>().unwrap_or_default());
    let people = arguments.next().unwrap_or(100_000);
    let rounds = arguments.next().unwrap_or(1);
    let org = OrgHandle::new(org::scaled(people, 1, jiff::civil::date(2026, 11, 23)));
    let (token, app) = (org.api_token(), org.app_id());
    let (mut pages, mut bytes) = (0_u64, 0_usize);
    for _ in 0..rounds {
        let mut target = format!("/api/v1/apps/{app}/users?expand=user&limit=500");
        loop {
            let reply =
                org.handle(&Request::get(target.as_str()).ssws(&token), Timestamp::UNIX_EPOCH);
            pages += 1;
            bytes += reply.body.len();
            match reply
                .next()
                .and_then(|next| next.find("/api/").map(|start| next[start..].to_owned()))
            {
                Some(next) => target = next,
                None => break,
            }
        }
    }
    println!("{people} people, {rounds} rounds, {pages} pages, {} MB", bytes / 1_000_000);
}
