//! Invented names that fit the places people work in.

/// First and last names of one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub first: &'static [&'static str],
    pub last: &'static [&'static str],
}

/// The names that are common where this language is spoken.
pub(super) fn names_for(language: &str) -> Names {
    match language {
        "de" => Names { first: &GERMAN_FIRST, last: &GERMAN_LAST },
        "pl" => Names { first: &POLISH_FIRST, last: &POLISH_LAST },
        "fr" => Names { first: &FRENCH_FIRST, last: &FRENCH_LAST },
        "pt-PT" => Names { first: &PORTUGUESE_FIRST, last: &PORTUGUESE_LAST },
        "ja" => Names { first: &JAPANESE_FIRST, last: &JAPANESE_LAST },
        "en-US" => Names { first: &AMERICAN_FIRST, last: &AMERICAN_LAST },
        _ => Names { first: &BRITISH_FIRST, last: &BRITISH_LAST },
    }
}

/// A name as it stands in an e-mail address: lower case, without accents, hyphens kept.
pub(super) fn ascii(name: &str) -> String {
    name.chars()
        .flat_map(char::to_lowercase)
        .filter_map(|letter| match letter {
            'á' | 'à' | 'â' | 'ã' | 'å' | 'ą' => Some("a"),
            'ä' => Some("ae"),
            'ç' | 'ć' => Some("c"),
            'é' | 'è' | 'ê' | 'ë' | 'ę' => Some("e"),
            'í' | 'î' | 'ï' => Some("i"),
            'ł' => Some("l"),
            'ñ' | 'ń' => Some("n"),
            'ó' | 'ô' | 'õ' => Some("o"),
            'ö' | 'ø' => Some("oe"),
            'ś' => Some("s"),
            'ß' => Some("ss"),
            'ú' | 'û' => Some("u"),
            'ü' => Some("ue"),
            'ź' | 'ż' => Some("z"),
            'a'..='z' | '-' => ASCII.get(usize::try_from(u32::from(letter)).ok()?).copied(),
            _ => None,
        })
        .collect()
}

/// The letters that stay as they are, by their code.
const ASCII: [&str; 128] = {
    let mut table = [""; 128];
    let letters = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
        "s", "t", "u", "v", "w", "x", "y", "z",
    ];
    let mut place = 0;
    while place < letters.len() {
        table[97 + place] = letters[place];
        place += 1;
    }
    table[45] = "-";
    table
};

const BRITISH_FIRST: [&str; 40] = [
    "Amelia", "Oliver", "Priya", "Harriet", "Kwame", "Isla", "George", "Zainab", "Rowan", "Imogen",
    "Tunde", "Freya", "Callum", "Anjali", "Hamish", "Beatrice", "Emeka", "Poppy", "Rhys",
    "Saoirse", "Farhan", "Matilda", "Ewan", "Ngozi", "Jasper", "Leila", "Alistair", "Mei", "Toby",
    "Yasmin", "Gareth", "Olwen", "Ravi", "Bronwen", "Dexter", "Hafsa", "Lewis", "Chiara", "Duncan",
    "Thandi",
];
const BRITISH_LAST: [&str; 40] = [
    "Ashworth",
    "Okafor",
    "Patel",
    "Whitcombe",
    "Mensah",
    "Fairley",
    "Brennan",
    "Hussain",
    "Thistlewood",
    "Adeyemi",
    "Lockhart",
    "Chowdhury",
    "Pemberton",
    "Sharma",
    "Gallagher",
    "Winslow",
    "Boateng",
    "Hargreaves",
    "Llewellyn",
    "Rahman",
    "Stanhope",
    "Iyer",
    "Cresswell",
    "Osei",
    "Beaumont",
    "Khatri",
    "Fenwick",
    "Achebe",
    "Holloway",
    "Siddiqui",
    "Trevelyan",
    "Nair",
    "Copley",
    "Abara",
    "Drummond",
    "Mistry",
    "Rutherford",
    "Banerjee",
    "Selwyn",
    "Tran",
];
const GERMAN_FIRST: [&str; 24] = [
    "Anke", "Bastian", "Carla", "Dirk", "Elif", "Florian", "Greta", "Hannes", "Ilse", "Jonas",
    "Katrin", "Lukas", "Mirjam", "Nils", "Oğuz", "Paula", "Ronja", "Stefan", "Tilda", "Uwe",
    "Vera", "Wiebke", "Yunus", "Zoe",
];
const GERMAN_LAST: [&str; 24] = [
    "Albers",
    "Brandt",
    "Celik",
    "Dörfler",
    "Engel",
    "Falkenberg",
    "Gärtner",
    "Hoffmeister",
    "Immel",
    "Jansen",
    "Kessler",
    "Lindner",
    "Mohr",
    "Neuhaus",
    "Ostermann",
    "Pohl",
    "Quandt",
    "Richter",
    "Sommerfeld",
    "Tiedemann",
    "Ulrich",
    "Vogt",
    "Wolters",
    "Yildiz",
];
const POLISH_FIRST: [&str; 20] = [
    "Agnieszka",
    "Bartosz",
    "Celina",
    "Dawid",
    "Ewa",
    "Filip",
    "Grażyna",
    "Hubert",
    "Irena",
    "Jakub",
    "Kinga",
    "Łukasz",
    "Magda",
    "Norbert",
    "Oliwia",
    "Paweł",
    "Róża",
    "Szymon",
    "Teresa",
    "Wojciech",
];
const POLISH_LAST: [&str; 20] = [
    "Adamczyk",
    "Bielak",
    "Cieślak",
    "Domański",
    "Gajda",
    "Halicki",
    "Jaworska",
    "Kubiak",
    "Lis",
    "Maj",
    "Nowicki",
    "Olszewska",
    "Pawlak",
    "Rutka",
    "Sikora",
    "Tomczak",
    "Urban",
    "Wójcik",
    "Zając",
    "Żuraw",
];
const FRENCH_FIRST: [&str; 18] = [
    "Adèle",
    "Bastien",
    "Clémence",
    "Damien",
    "Élodie",
    "Fabrice",
    "Gaëlle",
    "Hugo",
    "Inès",
    "Julien",
    "Karim",
    "Léa",
    "Maxime",
    "Noémie",
    "Olivier",
    "Perrine",
    "Quentin",
    "Samira",
];
const FRENCH_LAST: [&str; 18] = [
    "Aubert",
    "Besson",
    "Chevalier",
    "Delmas",
    "Évrard",
    "Fontaine",
    "Garnier",
    "Haddou",
    "Imbert",
    "Jacquet",
    "Lacroix",
    "Mercier",
    "Noël",
    "Perrot",
    "Renaud",
    "Saunier",
    "Tissot",
    "Vasseur",
];
const PORTUGUESE_FIRST: [&str; 16] = [
    "Afonso", "Beatriz", "Catarina", "Duarte", "Eduarda", "Filipe", "Graça", "Henrique", "Inês",
    "João", "Lurdes", "Marta", "Nuno", "Rita", "Simão", "Tomás",
];
const PORTUGUESE_LAST: [&str; 16] = [
    "Almeida",
    "Barros",
    "Carvalho",
    "Duarte",
    "Esteves",
    "Fonseca",
    "Gonçalves",
    "Lacerda",
    "Magalhães",
    "Neves",
    "Pacheco",
    "Queirós",
    "Ramalho",
    "Sampaio",
    "Teixeira",
    "Vasconcelos",
];
const JAPANESE_FIRST: [&str; 14] = [
    "Aiko", "Daichi", "Emi", "Fumiko", "Haruto", "Kaede", "Kenji", "Mio", "Naoki", "Reina", "Sora",
    "Takumi", "Yui", "Yuto",
];
const JAPANESE_LAST: [&str; 14] = [
    "Aoki", "Endo", "Fujita", "Hayashi", "Ishikawa", "Kimura", "Matsuda", "Nakano", "Ogawa",
    "Sakai", "Shimizu", "Tanabe", "Ueda", "Yamazaki",
];
const AMERICAN_FIRST: [&str; 22] = [
    "Aaliyah", "Brandon", "Camila", "Deshawn", "Elena", "Frank", "Grace", "Hector", "Ivy",
    "Javier", "Keisha", "Logan", "Marisol", "Nathan", "Opal", "Preston", "Rosa", "Skyler",
    "Tyrone", "Valeria", "Wyatt", "Xiomara",
];
const AMERICAN_LAST: [&str; 22] = [
    "Alvarez",
    "Barrett",
    "Calhoun",
    "Delgado",
    "Ellison",
    "Figueroa",
    "Grady",
    "Hutchins",
    "Ibarra",
    "Jefferson",
    "Kendrick",
    "Lawson",
    "Montoya",
    "Nguyen",
    "Ortega",
    "Pruitt",
    "Quintero",
    "Rollins",
    "Salazar",
    "Tillman",
    "Underwood",
    "Velasco",
];
