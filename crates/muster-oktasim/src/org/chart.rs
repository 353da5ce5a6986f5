//! The chart of Fernhill: 240 seats in twelve departments, six levels deep, 41 of them with reports.

/// A place to work: city (empty for people who work from home), country, time zone and language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub city: &'static str,
    pub country: &'static str,
    pub zone: &'static str,
    pub language: &'static str,
}

const fn place(
    city: &'static str,
    country: &'static str,
    zone: &'static str,
    language: &'static str,
) -> Place {
    Place { city, country, zone, language }
}

const LONDON: Place = place("London", "GB", "Europe/London", "en-GB");
const MANCHESTER: Place = place("Manchester", "GB", "Europe/London", "en-GB");
const BERLIN: Place = place("Berlin", "DE", "Europe/Berlin", "de");
const PARIS: Place = place("Paris", "FR", "Europe/Paris", "fr");
const LISBON: Place = place("Lisbon", "PT", "Europe/Lisbon", "pt-PT");
const KRAKOW: Place = place("Kraków", "PL", "Europe/Warsaw", "pl");
const AUSTIN: Place = place("Austin", "US", "America/Chicago", "en-US");
const OSAKA: Place = place("Osaka", "JP", "Asia/Tokyo", "ja");
const HOME_GB: Place = place("", "GB", "Europe/London", "en-GB");
const HOME_US: Place = place("", "US", "America/Chicago", "en-US");

/// Where the people of a department work, and how many of them.
fn places(department: &str) -> &'static [(Place, usize)] {
    match department {
        "Engineering" => &[(BERLIN, 26), (KRAKOW, 14), (HOME_GB, 14), (HOME_US, 4)],
        "Product & Design" => &[(LONDON, 14), (BERLIN, 8)],
        "Customer Success" => &[(MANCHESTER, 23), (LISBON, 11)],
        "Sales EMEA" => &[(LONDON, 14), (PARIS, 12)],
        "Sales Americas" => &[(AUSTIN, 18)],
        "Marketing" => &[(LONDON, 7), (PARIS, 7)],
        "People & Culture" => &[(LONDON, 4), (LISBON, 6)],
        "IT & Security" => &[(KRAKOW, 12)],
        "Operations & Logistics" => &[(MANCHESTER, 10), (OSAKA, 12)],
        // Executive, Finance, Legal & Compliance.
        _ => &[(LONDON, 12)],
    }
}

const IT: &str = "IT & Security";
const OPS: &str = "Operations & Logistics";
const AMERICAS: &str = "Sales Americas";
const LEGAL: &str = "Legal & Compliance";

/// A seat in the chart.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub department: &'static str,
    pub place: Place,
    pub title: &'static str,
    /// The seat of the person's manager.
    pub boss: Option<usize>,
    pub leads: bool,
}

/// Seats by the part they play.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub seats: Vec<Seat>,
    /// A lead in Product & Design who appears last in every listing.
    pub listed_last: usize,
    /// A lead with exactly three reports who is not assigned to the app.
    pub unassigned_lead: usize,
    /// A lead with exactly five reports who was deactivated.
    pub gone_lead: usize,
    /// Two leads who are each other's manager.
    pub ring_of_two: [usize; 2],
    /// Three leads in a circle.
    pub ring_of_three: [usize; 3],
    /// A lead who is his own manager.
    pub own_boss: usize,
    /// The person with nineteen reports.
    pub widest: usize,
}

impl Chart {
    /// Lays out all seats, managers before their reports.
    pub(super) fn new() -> Self {
        let mut chart = Self::default();
        let ceo = chart.seat("Executive", "Chief Executive Officer", None, true);
        let cto = chart.seat("Executive", "Chief Technology Officer", Some(ceo), true);
        let coo = chart.seat("Executive", "Chief Operating Officer", Some(ceo), true);
        let cro = chart.seat("Executive", "Chief Revenue Officer", Some(ceo), true);
        let cfo = chart.seat("Executive", "Chief Financial Officer", Some(ceo), true);
        chart.seat("Executive", "Chief of Staff", Some(ceo), false);
        chart.technology(cto);
        chart.product(ceo);
        chart.operations(coo);
        chart.revenue(cro);
        chart.marketing(ceo);
        let (controller, counsel) = chart.finance(cfo);
        let people_lead = chart.people(ceo);
        let marketing_lead = chart.ring_of_two[1];
        chart.ring_of_two = [controller, marketing_lead];
        chart.ring_of_three[0] = counsel;
        chart.ring_of_three[1] = people_lead;
        chart.close_rings();
        chart
    }

    fn technology(&mut self, cto: usize) {
        const D: &str = "Engineering";
        let platform = self.seat(D, "VP Platform", Some(cto), true);
        let products = self.seat(D, "VP Product Engineering", Some(cto), true);
        let mut leads = Vec::new();
        for _ in 0..3 {
            leads.push(self.seat(D, "Engineering Lead", Some(platform), true));
        }
        for _ in 0..4 {
            leads.push(self.seat(D, "Engineering Lead", Some(products), true));
        }
        let reports = [7, 7, 7, 7, 6, 6, 6];
        self.unassigned_lead = self.seat(D, "Tech Lead", Some(leads[0]), true);
        self.team(D, "Software Engineer", leads[0], reports[0] - 1);
        self.team(D, "Software Engineer", self.unassigned_lead, 3);
        for (lead, reports) in leads.into_iter().zip(reports).skip(1) {
            self.team(D, "Software Engineer", lead, reports);
        }
        let head = self.seat(IT, "Head of IT & Security", Some(cto), true);
        self.own_boss = self.seat(IT, "Security Lead", Some(head), true);
        self.team(IT, "Systems Engineer", head, 4);
        self.team(IT, "Security Analyst", self.own_boss, 5);
        // The service account that owns the API token reports to nobody.
        self.seat(IT, "Service account", None, false);
    }

    fn product(&mut self, ceo: usize) {
        const D: &str = "Product & Design";
        let cpo = self.seat(D, "Chief Product Officer", Some(ceo), true);
        for place in 0..3 {
            let lead = self.seat(D, "Group Product Manager", Some(cpo), true);
            if place == 0 {
                self.listed_last = lead;
            }
            self.team(D, "Product Designer", lead, 6);
        }
    }

    fn operations(&mut self, coo: usize) {
        const CS: &str = "Customer Success";
        let director = self.seat(CS, "Director of Customer Success", Some(coo), true);
        self.widest = self.seat(CS, "Support Manager", Some(director), true);
        let onboarding = self.seat(CS, "Onboarding Lead", Some(director), true);
        self.gone_lead = self.seat(CS, "Renewals Lead", Some(director), true);
        self.team(CS, "Support Specialist", self.widest, 19);
        self.team(CS, "Onboarding Manager", onboarding, 6);
        self.team(CS, "Renewals Manager", self.gone_lead, 5);
        let manchester = self.seat(OPS, "Director of Logistics", Some(coo), true);
        self.team(OPS, "Logistics Coordinator", manchester, 9);
        let osaka = self.seat(OPS, "Director of Operations", Some(coo), true);
        let lead = self.seat(OPS, "Warehouse Lead", Some(osaka), true);
        self.team(OPS, "Operations Analyst", osaka, 4);
        self.team(OPS, "Warehouse Operator", lead, 6);
        self.ring_of_three[2] = lead;
    }

    fn revenue(&mut self, cro: usize) {
        const EMEA: &str = "Sales EMEA";
        let emea = self.seat(EMEA, "VP Sales EMEA", Some(cro), true);
        self.seat(EMEA, "Revenue Operations Manager", Some(cro), false);
        for reports in [11, 5, 5] {
            let lead = self.seat(EMEA, "Regional Sales Manager", Some(emea), true);
            self.team(EMEA, "Account Executive", lead, reports);
        }
        let americas = self.seat(AMERICAS, "VP Sales Americas", Some(cro), true);
        self.seat(AMERICAS, "Deal Desk Manager", Some(americas), false);
        for _ in 0..2 {
            let lead = self.seat(AMERICAS, "Regional Sales Manager", Some(americas), true);
            self.team(AMERICAS, "Account Executive", lead, 7);
        }
    }

    fn marketing(&mut self, ceo: usize) {
        const D: &str = "Marketing";
        let cmo = self.seat(D, "Chief Marketing Officer", Some(ceo), true);
        let lead = self.seat(D, "Campaigns Lead", Some(cmo), true);
        self.team(D, "Content Strategist", cmo, 6);
        self.team(D, "Campaign Manager", lead, 6);
        self.ring_of_two[1] = lead;
    }

    fn finance(&mut self, cfo: usize) -> (usize, usize) {
        const D: &str = "Finance";
        let controller = self.seat(D, "Group Controller", Some(cfo), true);
        self.team(D, "Finance Business Partner", cfo, 4);
        self.team(D, "Accountant", controller, 7);
        let counsel = self.seat(LEGAL, "General Counsel", Some(cfo), true);
        self.team(LEGAL, "Legal Counsel", counsel, 5);
        (controller, counsel)
    }

    fn people(&mut self, ceo: usize) -> usize {
        const D: &str = "People & Culture";
        let chief = self.seat(D, "Chief People Officer", Some(ceo), true);
        let lead = self.seat(D, "Talent Lead", Some(chief), true);
        self.team(D, "People Partner", chief, 4);
        self.team(D, "Recruiter", lead, 4);
        lead
    }

    /// Bends the links of the planted loops: they hang in the air instead of on their former managers.
    fn close_rings(&mut self) {
        let [first, second] = self.ring_of_two;
        self.seats[first].boss = Some(second);
        self.seats[second].boss = Some(first);
        let [first, second, third] = self.ring_of_three;
        self.seats[first].boss = Some(second);
        self.seats[second].boss = Some(third);
        self.seats[third].boss = Some(first);
        self.seats[self.own_boss].boss = Some(self.own_boss);
    }

    fn team(&mut self, department: &'static str, title: &'static str, lead: usize, reports: usize) {
        for _ in 0..reports {
            self.seat(department, title, Some(lead), false);
        }
    }

    fn seat(
        &mut self,
        department: &'static str,
        title: &'static str,
        boss: Option<usize>,
        leads: bool,
    ) -> usize {
        let taken = self.seats.iter().filter(|seat| seat.department == department).count();
        let mut left = taken;
        let found = places(department).iter().find(|(_, seats)| {
            let here = left < *seats;
            left = left.saturating_sub(*seats);
            here
        });
        let place = found.map_or(LONDON, |(place, _)| *place);
        self.seats.push(Seat { department, place, title, boss, leads });
        self.seats.len() - 1
    }
}
