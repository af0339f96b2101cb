//! What PDF/A-2a (ISO 19005-2) asks of a file's structure, read with qpdf and poppler. No validator of the
//! whole standard can be had here (docs/exports.md), so that these are its rules that can be read off the
//! objects of a file; krilla, which writes it, refuses what it knows to break the others.

use serde_json::{Map, Value, json};

use super::*;

/// The objects of a file, as qpdf tells them.
#[derive(Clone)]
struct Objects(Map<String, Value>);

/// A clause, and whether a file with these metadata keeps it.
type Rule = (&'static str, fn(&Objects, &str) -> bool);

impl Objects {
    fn of(bytes: &[u8]) -> Self {
        let file =
            std::env::temp_dir().join(format!("agora-pdf-{}.pdf", agora_service::clock::new_id()));
        std::fs::write(&file, bytes).unwrap();
        let path = file.to_str().unwrap();
        // Errors and warnings both end it with another code than 0.
        let checked = run("qpdf", &["--check", path], b"");
        assert!(checked.contains("No syntax or stream encoding errors found"), "{checked}");
        let told = run("qpdf", &["--json=2", "--json-stream-data=none", path], b"");
        std::fs::remove_file(file).unwrap();
        let mut told: Value = serde_json::from_str(&told).unwrap();
        match told["qpdf"][1].take() {
            Value::Object(objects) => Self(objects),
            other => panic!("no objects: {other}"),
        }
    }

    fn trailer(&self) -> &Value {
        &self.0["trailer"]["value"]
    }

    /// What a value says or refers to; of a stream its dictionary.
    fn get<'v>(&'v self, value: &'v Value) -> &'v Value {
        let Some(object) = value.as_str().and_then(|name| self.0.get(&format!("obj:{name}")))
        else {
            return value;
        };
        object.get("value").unwrap_or(&object["stream"]["dict"])
    }

    fn entry<'v>(&'v self, of: &'v Value, name: &str) -> &'v Value {
        self.get(&self.get(of)[name])
    }

    fn catalog(&self) -> &Value {
        self.entry(self.trailer(), "/Root")
    }

    fn is_stream(&self, value: &Value) -> bool {
        let name = value.as_str().unwrap_or_default();
        self.0.get(&format!("obj:{name}")).is_some_and(|object| object.get("stream").is_some())
    }

    /// Every dictionary, those in others too.
    fn dictionaries(&self) -> Vec<&Map<String, Value>> {
        let (mut found, mut rest): (_, Vec<&Value>) = (Vec::new(), self.0.values().collect());
        while let Some(value) = rest.pop() {
            match value {
                Value::Object(members) => {
                    found.push(members);
                    rest.extend(members.values());
                }
                Value::Array(items) => rest.extend(items),
                _ => {}
            }
        }
        found
    }

    fn of_type(&self, name: &str) -> Vec<&Map<String, Value>> {
        let mut all = self.dictionaries();
        all.retain(|dictionary| dictionary.get("/Type").is_some_and(|it| it == name));
        all
    }

    /// The rules that the file breaks, by their clause.
    fn breaks(&self, xmp: &str) -> Vec<&'static str> {
        let rules: [Rule; 13] = [
            ("6.1.3 an id, and no encryption", |it, _| {
                it.trailer()["/ID"].as_array().is_some_and(|id| id.len() == 2)
                    && it.trailer().get("/Encrypt").is_none()
            }),
            ("6.1.7 no foreign streams, no LZW, no Crypt", |it, _| {
                it.0.values().filter_map(|object| object.get("stream")).all(|stream| {
                    let filters = stream["dict"]["/Filter"].to_string();
                    stream["dict"].get("/F").is_none()
                        && !filters.contains("/LZWDecode")
                        && !filters.contains("/Crypt")
                })
            }),
            ("6.2.3 one output intent with an ICC profile of three colours", |it, _| {
                match it.entry(it.catalog(), "/OutputIntents").as_array().map(Vec::as_slice) {
                    Some([intent]) => {
                        let profile = &it.get(intent)["/DestOutputProfile"];
                        it.entry(intent, "/S") == "/GTS_PDFA1"
                            && it.is_stream(profile)
                            && it.entry(profile, "/N") == 3
                    }
                    _ => false,
                }
            }),
            ("6.2.4 no colour that the output intent does not define", |it, _| {
                let names = Value::Object(it.0.clone()).to_string();
                !names.contains("/DeviceCMYK") && !names.contains("/DeviceN")
            }),
            ("6.2.11.4 every font is embedded", |it, _| {
                let fonts = it.of_type("/FontDescriptor");
                let embedded = |font: &&Map<String, Value>| {
                    ["/FontFile", "/FontFile2", "/FontFile3"]
                        .iter()
                        .any(|file| font.get(*file).is_some_and(|file| it.is_stream(file)))
                };
                !fonts.is_empty() && fonts.iter().all(embedded)
            }),
            ("6.2.11.3 glyphs are chosen and measured by what is in the file", |it, _| {
                it.of_type("/Font").iter().all(|font| match font["/Subtype"].as_str() {
                    Some("/CIDFontType2") => {
                        font.contains_key("/CIDToGIDMap") && font.contains_key("/W")
                    }
                    Some("/CIDFontType0") => font.contains_key("/W"),
                    Some("/Type0") => font["/Encoding"] == "/Identity-H",
                    _ => font.contains_key("/Widths"),
                })
            }),
            ("6.2.11.7 every font says which characters its glyphs are", |it, _| {
                let is_part = |font: &Map<String, Value>| {
                    font["/Subtype"].as_str().is_some_and(|it| it.starts_with("/CIDFont"))
                };
                let told = |font: &&Map<String, Value>| {
                    font.get("/ToUnicode").is_some_and(|map| it.is_stream(map))
                };
                it.of_type("/Font").iter().filter(|font| !is_part(font)).all(told)
            }),
            ("6.5.1 no scripts, and no actions but those that lead somewhere", |it, _| {
                let forbidden = ["/AA", "/JS", "/JavaScript"];
                let allowed = ["/GoTo", "/GoToR", "/URI", "/Named", "/Thread"];
                it.dictionaries().iter().all(|dictionary| {
                    let mut actions = ["/A", "/OpenAction"]
                        .iter()
                        .filter_map(|name| it.get(dictionary.get(*name)?)["/S"].as_str());
                    !forbidden.iter().any(|name| dictionary.contains_key(*name))
                        && actions.all(|action| allowed.contains(&action))
                })
            }),
            ("6.6.4 the metadata say that it is PDF/A-2a", |it, xmp| {
                it.is_stream(&it.catalog()["/Metadata"])
                    && xmp.contains("<pdfaid:part>2</pdfaid:part>")
                    && xmp.contains("<pdfaid:conformance>A</pdfaid:conformance>")
            }),
            ("6.6.2.1 the title of the metadata is that of the file", |it, xmp| {
                let title = it.entry(it.entry(it.trailer(), "/Info"), "/Title");
                let title = title.as_str().and_then(|text| text.strip_prefix("u:"));
                title.is_some_and(|title| xmp.contains(&format!(">{title}</rdf:li>")))
            }),
            ("6.7.2 it is tagged", |it, _| {
                it.entry(it.catalog(), "/MarkInfo")["/Marked"] == true
                    && it.entry(it.catalog(), "/StructTreeRoot")["/Type"] == "/StructTreeRoot"
                    && it.of_type("/Page").iter().all(|page| page.contains_key("/StructParents"))
            }),
            ("6.7.3 every element is of a standard type", |it, _| {
                let elements = it.of_type("/StructElem");
                let standard = |element: &&Map<String, Value>| {
                    element["/S"].as_str().is_some_and(|it| STRUCTURE_TYPES.contains(&&it[1..]))
                };
                !elements.is_empty() && elements.iter().all(standard)
            }),
            ("6.7.4 it says its language", |it, _| {
                it.entry(it.catalog(), "/Lang").as_str().is_some_and(|language| language == "u:en")
            }),
        ];
        rules.iter().filter(|(_, holds)| !holds(self, xmp)).map(|(rule, _)| *rule).collect()
    }

    /// The first object of which this is true.
    fn find(&mut self, is: impl Fn(&Value) -> bool) -> &mut Value {
        let mut objects =
            self.0.values_mut().flat_map(|object| object.as_object_mut().unwrap().values_mut());
        objects.find(|object| is(object)).unwrap()
    }

    fn change_catalog(&mut self, change: impl Fn(&mut Map<String, Value>)) {
        change(self.find(|it| it["/Type"] == "/Catalog").as_object_mut().unwrap());
    }
}

/// Those of ISO 32000-1, 14.8.4.
const STRUCTURE_TYPES: [&str; 49] = [
    "Annot",
    "Art",
    "BibEntry",
    "BlockQuote",
    "Caption",
    "Code",
    "Div",
    "Document",
    "Figure",
    "Form",
    "Formula",
    "H",
    "H1",
    "H2",
    "H3",
    "H4",
    "H5",
    "H6",
    "Index",
    "L",
    "LBody",
    "LI",
    "Lbl",
    "Link",
    "NonStruct",
    "Note",
    "P",
    "Part",
    "Private",
    "Quote",
    "RB",
    "RP",
    "RT",
    "Reference",
    "Ruby",
    "Sect",
    "Span",
    "TBody",
    "TD",
    "TFoot",
    "TH",
    "THead",
    "TOC",
    "TOCI",
    "TR",
    "Table",
    "WP",
    "WT",
    "Warichu",
];

/// The metadata, without the marks around them.
fn metadata(bytes: &[u8]) -> String {
    run("pdfinfo", &["-meta", "-"], bytes)
}

#[test]
fn every_pdf_has_the_structure_that_pdf_a_2a_asks_for() {
    let report = document();
    let copy = Document {
        kind: "subject_data",
        title: "What is stored about you".into(),
        organization: None,
        period: None,
        state: None,
        schema_version: None,
        pdf_rows: PdfRows::First(1),
        ..document()
    };
    for (document, rows) in [(&report, rows()), (&copy, rows()), (&report, vec![])] {
        let (_, bytes) = written(Format::Pdf, document, &rows);
        let second = bytes.split(|byte| *byte == b'\n').nth(1).unwrap();
        let high = second.iter().skip(1).filter(|byte| **byte > 127).count();
        assert!(second.starts_with(b"%") && high >= 4, "6.1.2: it is known to be no text");
        let breaks = Objects::of(&bytes).breaks(&metadata(&bytes));
        assert!(breaks.is_empty(), "{}: {breaks:?}", document.title);
    }
}

/// Each of the rules above finds what breaks it.
#[test]
fn what_pdf_a_2a_forbids_is_found() {
    let (_, bytes) = written(Format::Pdf, &document(), &rows());
    let (objects, xmp) = (Objects::of(&bytes), metadata(&bytes));
    let broken = |change: &dyn Fn(&mut Objects)| {
        let mut objects = objects.clone();
        change(&mut objects);
        let breaks = objects.breaks(&xmp);
        assert_eq!(breaks.len(), 1, "{breaks:?}");
        breaks[0].split(' ').next().unwrap()
    };
    let without = |of: &'static str, what: &'static str, name: &'static str| {
        broken(&move |it| {
            let found = it.find(|object| object[of] == what && object.get(name).is_some());
            found.as_object_mut().unwrap().remove(name);
        })
    };
    let catalog = |name: &'static str| without("/Type", "/Catalog", name);
    assert_eq!(catalog("/OutputIntents"), "6.2.3");
    assert_eq!(catalog("/Metadata"), "6.6.4");
    assert_eq!(catalog("/MarkInfo"), "6.7.2");
    assert_eq!(catalog("/StructTreeRoot"), "6.7.2");
    assert_eq!(catalog("/Lang"), "6.7.4");
    assert_eq!(without("/Type", "/FontDescriptor", "/FontFile2"), "6.2.11.4");
    assert_eq!(without("/Subtype", "/CIDFontType2", "/W"), "6.2.11.3");
    assert_eq!(without("/Subtype", "/Type0", "/ToUnicode"), "6.2.11.7");
    assert_eq!(without("/Type", "/Page", "/StructParents"), "6.7.2");
    let trailer = |name: &'static str, value: Value| {
        broken(&move |it| it.0["trailer"]["value"][name] = value.clone())
    };
    assert_eq!(trailer("/Encrypt", json!({ "/V": 5 })), "6.1.3");
    assert_eq!(trailer("/ID", json!([])), "6.1.3");
    let script = broken(&|it| {
        it.change_catalog(|catalog| {
            catalog.insert("/OpenAction".into(), json!({ "/S": "/Launch", "/F": "u:x" }));
        });
    });
    assert_eq!(script, "6.5.1");
    let foreign = broken(&|it| it.find(|it| it["/S"] == "/TD")["/S"] = json!("/Cell"));
    assert_eq!(foreign, "6.7.3");
    let lzw = broken(&|it| {
        it.find(|it| it["dict"]["/Filter"] == "/FlateDecode")["dict"]["/Filter"] =
            json!("/LZWDecode");
    });
    assert_eq!(lzw, "6.1.7");
    let four = broken(&|it| {
        it.change_catalog(|catalog| drop(catalog.insert("/Cs".into(), json!("/DeviceCMYK"))));
    });
    assert_eq!(four, "6.2.4");
    assert_eq!(objects.breaks(&xmp.replace("part>2", "part>1")).len(), 1, "6.6.4");
    assert_eq!(objects.breaks(&xmp.replace("Quarterly", "Yearly")).len(), 1, "6.6.2.1");
}
