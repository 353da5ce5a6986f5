//! People with a story: each planted case of the demo company, by a name that one can point at.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use serde::Serialize;

use super::chart::Chart;
use super::draft::{Draft, Hold, ManagerBy};
use crate::state::people::{Provider, Status};

/// People who show one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// A stable name of the case.
    pub case: &'static str,
    /// What there is to see, in plain words.
    pub shows: &'static str,
    pub okta_ids: Vec<String>,
    pub logins: Vec<String>,
}

/// A case before its people have ids: seats of the chart.
#[derive(Debug)]
pub(super) struct Case {
    pub name: &'static str,
    pub shows: &'static str,
    pub seats: Vec<usize>,
}

/// The case whose people have accounts with the same e-mail, made by hand before connecting.
pub(super) const LINKABLE: &str = "made-by-hand";

/// Hands out seats without a story and writes stories on them.
#[derive(Debug)]
struct Planter<'a> {
    chart: &'a Chart,
    drafts: &'a mut [Draft],
    cases: Vec<Case>,
    today: Date,
}

/// Writes every story; the drafts of all other seats stay as they are.
pub(super) fn plant(chart: &Chart, drafts: &mut [Draft], today: Date) -> Vec<Case> {
    let mut planter = Planter { chart, drafts, cases: Vec::new(), today };
    planter.managers();
    planter.fields();
    planter.identities();
    planter.leavers();
    planter.outsiders();
    planter.passing_statuses();
    planter.start_dates();
    planter.contractors();
    planter.events();
    planter.made_by_hand();
    planter.cases
}

impl Planter<'_> {
    fn managers(&mut self) {
        let last = self.chart.listed_last;
        self.name(last, "Lars", "Later");
        let early = self.report_of(last);
        self.name(early, "Fern", "Early");
        self.case(
            "manager-listed-later",
            "Fern's manager Lars comes after her in every listing",
            &[early, last],
        );

        let lead = self.chart.unassigned_lead;
        self.name(lead, "Dana", "Outwood");
        self.drafts[lead].hold = Hold::Unassigned;
        self.case(
            "manager-not-assigned",
            "Dana leads three people and is not assigned to the app",
            &[lead],
        );

        let [first, second] = self.chart.ring_of_two;
        self.name(first, "Ines", "Ringwald");
        self.name(second, "Otto", "Ringwald");
        self.case("loop-of-two", "Ines and Otto are each other's manager", &[first, second]);

        let ring = self.chart.ring_of_three;
        for (seat, first) in ring.into_iter().zip(["Ada", "Bea", "Cem"]) {
            self.name(seat, first, "Kreisler");
        }
        self.case("loop-of-three", "Ada reports to Bea, Bea to Cem, Cem to Ada", &ring);

        let own = self.chart.own_boss;
        self.name(own, "Sol", "Selfridge");
        self.case("own-manager", "Sol is his own manager", &[own]);

        let widest = self.chart.widest;
        self.name(widest, "Wendy", "Manyreports");
        self.case("nineteen-reports", "Wendy has nineteen reports", &[widest]);

        let by_name = self.take("Marketing", "Norman", "Nameworth");
        self.drafts[by_name].manager_by = ManagerBy::NameOnly;
        self.case(
            "manager-by-display-name",
            "Norman's manager stands only as a display name",
            &[by_name],
        );

        let by_number = self.take("Finance", "Numa", "Diggs");
        self.drafts[by_number].manager_by = ManagerBy::EmployeeNumber;
        self.case(
            "manager-by-employee-number",
            "Numa's managerId holds an employee number",
            &[by_number],
        );

        let gone = self.chart.gone_lead;
        self.name(gone, "August", "Gonne");
        self.deactivate(gone);
        self.case(
            "manager-deactivated",
            "August left; five people still have him as their manager",
            &[gone],
        );
    }

    fn fields(&mut self) {
        let teamless: Vec<usize> = [
            ("Engineering", "Nora"),
            ("Customer Success", "Noel"),
            ("Sales EMEA", "Noah"),
            ("Operations & Logistics", "Nola"),
        ]
        .into_iter()
        .map(|(department, first)| self.take(department, first, "Teamless"))
        .collect();
        for seat in &teamless {
            self.drafts[*seat].department = None;
        }
        self.case("no-department", "four people without a department", &teamless);

        let spelled = self.take("Engineering", "Ed", "Spacey");
        self.drafts[spelled].department = Some("engineering ".to_owned());
        self.case(
            "department-spelling",
            "Ed's department is spelled `engineering ` with a blank",
            &[spelled],
        );

        let renamed: Vec<usize> = self.seats_of("People & Culture");
        self.case(
            "department-renamed",
            "People became People & Culture; rename it back and forth to see it",
            &renamed,
        );

        let placeless = self.take("Sales EMEA", "Nomi", "Placeless");
        self.drafts[placeless].city = None;
        self.case("no-city", "Nomi has no city", &[placeless]);

        let unknown = self.take("Finance", "Xenia", "Tongue");
        self.drafts[unknown].preferred = Some("xx".to_owned());
        self.case("unknown-language", "Xenia's language is `xx`", &[unknown]);

        let paulo = self
            .take_where("Customer Success", "Paulo", "Portela", |draft| draft.language == "pt-PT");
        self.drafts[paulo].preferred = Some("pt-PT".to_owned());
        self.case(
            "language-not-enabled",
            "Paulo's Portuguese is not enabled in the tenant",
            &[paulo],
        );

        for (case, first, last, url) in [
            ("photo-missing", "Phoebe", "Lost", "https://photos.fernhill.example/missing/404.jpg"),
            ("photo-too-large", "Phil", "Large", "https://photos.fernhill.example/large/12mb.jpg"),
            ("photo-not-https", "Phyllis", "Plain", "http://photos.fernhill.example/plain.jpg"),
        ] {
            let seat = self.take("Product & Design", first, last);
            self.drafts[seat].picture = Some(url.to_owned());
            self.case(case, "a photo that cannot be used", &[seat]);
        }

        let single = self.take("Operations & Logistics", "Suharti", "");
        self.drafts[single].last = None;
        self.case("single-name", "Suharti has one name", &[single]);

        let layla = self.take("Engineering", "ليلى", "حداد");
        self.drafts[layla].email = Some("layla.haddad@fernhill.example".to_owned());
        self.case("right-to-left-name", "a name written from right to left", &[layla]);

        let titled = self.take("Legal & Compliance", "Titus", "Longley");
        let title = "Senior Counsel for Contracts, Licences, Data Protection and Everything Else; "
            .repeat(5);
        self.drafts[titled].title = title.chars().take(300).collect();
        self.case("long-title", "Titus has a title of 300 characters", &[titled]);
    }

    fn identities(&mut self) {
        let tessa = self.take("Customer Success", "Tessa", "Twin");
        let theo = self.take("Customer Success", "Theo", "Twin");
        for (seat, login, age) in
            [(tessa, "tessa.twin@fernhill.example", 900), (theo, "theo.twin@fernhill.example", 300)]
        {
            let draft = &mut self.drafts[seat];
            draft.email = Some("twins@fernhill.example".to_owned());
            draft.login = Some(login.to_owned());
            draft.age_days = Some(age);
        }
        self.case(
            "two-users-one-email",
            "Tessa came first and keeps the e-mail; Theo needs a decision",
            &[tessa, theo],
        );

        let maria = self.take("Marketing", "Maria", "Maidwell");
        self.case(
            "email-change-marriage",
            "Maria marries and becomes maria.bridewell@fernhill.example",
            &[maria],
        );

        let sam = self.take("Sales EMEA", "Sam", "Swapley");
        let sue = self.take("Sales EMEA", "Sue", "Swapley");
        self.case("email-swap", "Sam and Sue exchange their addresses", &[sam, sue]);

        let foreman = self.take("Product & Design", "Fabian", "Foreman");
        self.drafts[foreman].email = Some("fabian.foreman@partner.example".to_owned());
        self.drafts[foreman].hold = Hold::Direct;
        self.case(
            "foreign-domain-admin",
            "an admin's account has this e-mail of another domain; it must not be linked",
            &[foreman],
        );

        let second = self.take("People & Culture", "Owen", "Second");
        self.case("second-owner", "Owen already has an account and is an owner there", &[second]);

        let dora = self.take("Finance", "Dora", "Double");
        let dan = self.take("Sales Americas", "Dan", "Double");
        for (seat, start) in [(dora, "2021-03-01"), (dan, "2019-09-16")] {
            self.drafts[seat].start = Some(start.to_owned());
        }
        self.case(
            "likely-duplicate",
            "same name and start date as an account with another e-mail",
            &[dora, dan],
        );
    }

    fn leavers(&mut self) {
        let rhea = self.take("Customer Success", "Rhea", "Return");
        self.deactivate(rhea);
        self.drafts[rhea].stays_in_group = true;
        self.case(
            "rehire-same-id",
            "Rhea left, is still in her group, and can be activated again",
            &[rhea],
        );

        let before = self.take("Sales EMEA", "Renata", "Anew");
        let after = self.take("Sales EMEA", "Renata", "Anew");
        self.deactivate(before);
        let draft = &mut self.drafts[before];
        draft.login = Some("renata.anew.left@fernhill.example".to_owned());
        draft.email = Some("renata.anew@fernhill.example".to_owned());
        self.drafts[after].email = Some("renata.anew@fernhill.example".to_owned());
        self.drafts[after].age_days = Some(40);
        self.case(
            "rehire-new-id",
            "Renata came back as a new Okta user with her old e-mail",
            &[before, after],
        );

        for department in ["Engineering", "Engineering", "Operations & Logistics", "Sales Americas"]
        {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                self.deactivate(seat);
            }
        }
    }

    fn outsiders(&mut self) {
        let olive = self.take("People & Culture", "Olive", "Owens");
        self.drafts[olive].hold = Hold::Unassigned;
        self.case(
            "last-owner-not-assigned",
            "Olive is the owner of the tenant and not assigned in Okta",
            &[olive],
        );

        let service = self
            .drafts
            .iter()
            .position(|draft| draft.title == "Service account")
            .unwrap_or_default();
        self.name(service, "Learning", "Service");
        let draft = &mut self.drafts[service];
        draft.email = Some("svc-learn@fernhill.example".to_owned());
        draft.hold = Hold::Unassigned;
        self.case("service-account", "owns the API token", &[service]);

        let ida = self.take("IT & Security", "Ida", "Adminson");
        "Okta Administrator".clone_into(&mut self.drafts[ida].title);
        self.drafts[ida].hold = Hold::Unassigned;
        self.case("okta-administrator", "Ida makes the changes in Okta", &[ida]);

        for department in ["Operations & Logistics", "Operations & Logistics", "Marketing"] {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                self.drafts[seat].hold = Hold::Unassigned;
            }
        }
    }

    fn passing_statuses(&mut self) {
        let locke = self.take("IT & Security", "Locke", "Outram");
        self.drafts[locke].status = Status::LockedOut;
        self.case(
            "locked-out",
            "Locke typed a wrong password too often and keeps his access",
            &[locke],
        );

        let susan = self.take("Customer Success", "Susan", "Pender");
        self.drafts[susan].status = Status::Suspended;
        self.case("suspended", "Susan is suspended in Okta", &[susan]);

        for (status, department) in [
            (Status::LockedOut, "Sales Americas"),
            (Status::Suspended, "Engineering"),
            (Status::PasswordExpired, "Finance"),
            (Status::PasswordExpired, "Engineering"),
            (Status::PasswordExpired, "Operations & Logistics"),
        ] {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                self.drafts[seat].status = status;
            }
        }
        for _ in 0..3 {
            if let Some(seat) =
                self.free("Customer Success", |draft| draft.city.as_deref() == Some("Manchester"))
            {
                self.claim(seat);
                let draft = &mut self.drafts[seat];
                draft.status = Status::Provisioned;
                // Mastered by a directory: never sets an Okta password and works all the same.
                draft.provider = Provider::ActiveDirectory;
            }
        }
    }

    fn start_dates(&mut self) {
        let monday = self.today.nth_weekday(1, Weekday::Monday).unwrap_or(self.today);
        let starling = self.take("Marketing", "Monday", "Starling");
        self.drafts[starling].status = Status::Staged;
        self.drafts[starling].start = Some(monday.to_string());
        self.case(
            "staged-starter",
            "Starling starts next Monday and is staged until then",
            &[starling],
        );

        for (department, days) in [("Engineering", 10), ("Sales EMEA", 17), ("Engineering", 24)] {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                self.drafts[seat].status = Status::Staged;
                self.starts_in(seat, days);
            }
        }
        let mut soon = Vec::new();
        for (department, days) in [("Product & Design", 4), ("Customer Success", 30)] {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                self.starts_in(seat, days);
                soon.push(seat);
            }
        }
        self.case("starts-soon", "active in Okta before the first working day", &soon);
        let mut today = Vec::new();
        for department in ["Engineering", "Sales Americas"] {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                self.starts_in(seat, 0);
                today.push(seat);
            }
        }
        self.case("starts-today", "two people whose first day is today", &today);

        let missing = self.take("Engineering", "Miles", "Undated");
        self.drafts[missing].start = None;
        self.drafts[missing].undated = true;
        self.case("start-date-missing", "Miles has no start date", &[missing]);
        let malformed = self.take("Engineering", "Felix", "Misdate");
        self.drafts[malformed].start = Some("31/02/2026".to_owned());
        self.case("start-date-malformed", "Felix starts on 31/02/2026", &[malformed]);
    }

    fn contractors(&mut self) {
        let connie = self.take("Engineering", "Connie", "Tractman");
        let mut excluded = vec![connie];
        excluded.extend(self.take_some(&["Engineering", "Product & Design", "IT & Security"]));
        for seat in &excluded {
            self.drafts[*seat].user_type = "Contractor";
            self.drafts[*seat].hold = Hold::Contractors;
        }
        self.case(
            "contractor-excluded",
            "four people whom the rule on `userType` keeps out",
            &excluded,
        );

        let twyla = self.take("Product & Design", "Twyla", "Both");
        self.drafts[twyla].user_type = "Freelance";
        self.drafts[twyla].hold = Hold::BothGroups;
        self.case(
            "in-two-groups",
            "Twyla is in both groups; leaving one changes nothing",
            &[twyla],
        );

        let freelance = self.take_some(&[
            "Engineering",
            "Engineering",
            "Engineering",
            "Engineering",
            "Engineering",
            "Product & Design",
            "Marketing",
            "Customer Success",
            "Customer Success",
            "Customer Success",
            "Sales EMEA",
            "Operations & Logistics",
            "Operations & Logistics",
        ]);
        for seat in freelance {
            self.drafts[seat].user_type = "Freelance";
            self.drafts[seat].hold = Hold::Contractors;
        }
    }

    fn events(&mut self) {
        let del = self.take("Operations & Logistics", "Del", "Eaton");
        self.case("deleted", "Del is the one to be deleted in Okta", &[del]);
        let duncan = self.take("Customer Success", "Duncan", "Twice");
        self.case(
            "duplicate-delivery",
            "change Duncan and let the hook deliver it twice",
            &[duncan],
        );
        let oona = self.take("Customer Success", "Oona", "Order");
        self.case(
            "out-of-order",
            "deactivate and reactivate Oona and let the hook deliver in reverse",
            &[oona],
        );
        let mona = self.take("Customer Success", "Mona", "Mover");
        self.case("mover", "Mona moves to Marketing in Paris", &[mona]);
        let leo = self.take("Sales Americas", "Leo", "Leaver");
        self.case("leaver", "Leo leaves", &[leo]);
        // The chief executive has the app in her own right.
        self.drafts[0].hold = Hold::Direct;
        self.name(0, "Victoria", "Fernhill");
    }

    fn made_by_hand(&mut self) {
        let lina = self.take("Marketing", "Lina", "Linkwell");
        self.case(
            "link-by-email",
            "Lina has an account made by hand with the same e-mail",
            &[lina],
        );
        let mut seats = vec![lina];
        let departments = [
            "Engineering",
            "Customer Success",
            "Sales EMEA",
            "Sales Americas",
            "Finance",
            "Operations & Logistics",
            "Product & Design",
        ];
        for department in departments.iter().cycle().take(70) {
            if seats.len() == 24 {
                break;
            }
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                seats.push(seat);
            }
        }
        self.case(LINKABLE, "24 learners who already have an account with the same e-mail", &seats);
    }

    fn case(&mut self, name: &'static str, shows: &'static str, seats: &[usize]) {
        self.cases.push(Case { name, shows, seats: seats.to_vec() });
    }

    fn name(&mut self, seat: usize, first: &str, last: &str) {
        let draft = &mut self.drafts[seat];
        draft.first = Some(first.to_owned());
        draft.last = Some(last.to_owned());
        draft.claimed = true;
    }

    fn claim(&mut self, seat: usize) {
        self.drafts[seat].claimed = true;
    }

    /// Gives a free seat of this department a name.
    fn take(&mut self, department: &str, first: &str, last: &str) -> usize {
        self.take_where(department, first, last, |_| true)
    }

    fn take_where(
        &mut self,
        department: &str,
        first: &str,
        last: &str,
        fits: impl Fn(&Draft) -> bool,
    ) -> usize {
        let seat = self.free(department, fits).unwrap_or_default();
        self.name(seat, first, last);
        seat
    }

    fn take_some(&mut self, departments: &[&str]) -> Vec<usize> {
        let mut seats = Vec::new();
        for department in departments {
            if let Some(seat) = self.free(department, |_| true) {
                self.claim(seat);
                seats.push(seat);
            }
        }
        seats
    }

    /// A seat of this department without reports and without a story.
    fn free(&self, department: &str, fits: impl Fn(&Draft) -> bool) -> Option<usize> {
        self.chart.seats.iter().zip(&*self.drafts).position(|(seat, draft)| {
            seat.department == department
                && !seat.leads
                && !draft.claimed
                && draft.title != "Service account"
                && fits(draft)
        })
    }

    fn report_of(&self, lead: usize) -> usize {
        self.chart.seats.iter().position(|seat| seat.boss == Some(lead)).unwrap_or_default()
    }

    fn seats_of(&self, department: &str) -> Vec<usize> {
        let seats = self.chart.seats.iter().enumerate();
        seats.filter(|(_, seat)| seat.department == department).map(|(place, _)| place).collect()
    }

    fn deactivate(&mut self, seat: usize) {
        self.drafts[seat].status = Status::Deprovisioned;
        self.drafts[seat].hold = Hold::Unassigned;
    }

    fn starts_in(&mut self, seat: usize, days: i32) {
        let date = self.today.checked_add(days.days()).unwrap_or(self.today);
        self.drafts[seat].start = Some(date.to_string());
        self.drafts[seat].age_days = Some(14);
    }
}
