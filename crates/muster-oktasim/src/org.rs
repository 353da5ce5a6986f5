//! Generated organisations: the demo company Fernhill, and companies of any size.

mod chart;
mod draft;
mod fernhill;
mod hand_made;
mod morning;
mod names;
mod planted;
mod scaled;

pub use fernhill::{FIRST_OWNER, fernhill};
pub use hand_made::{HandMade, hand_made};
pub use morning::{MorningStep, morning, run_morning_step};
pub use planted::Planted;
pub use scaled::scaled;
