package smpp

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/warthog618/sms/encoding/gsm7/charset"
)

// TestTables compares alphabets.txt with the tables that somebody else typed off
// 3GPP TS 23.038, the Go package sms. Once, by a script outside, it was compared
// with those of lib3gpp23038 (C, release 16) and gsmcodecs (Python, release 18)
// as well: of 3,400 characters two dozen differed among the three, each in one of
// them alone or by the specification's own slips, which alphabets.txt tells; those
// were settled by reading Android's GsmAlphabet.java (release 9).
func TestTables(t *testing.T) {
	// Where that package is alone.
	theirs := map[string]bool{
		"locking 6 00": true, "locking 6 01": true, "locking 6 02": true, // Bengali signs among the Hindi ones
		"single 3 1F":  true, // Ê is missing
		"single 12 65": true, // €: void since release 16, Android has it too
	}
	for l := range languageCodes {
		for _, k := range []struct {
			kind  string
			table *table
			want  charset.Decoder
		}{{"locking", lockingTables[l], charset.NewDecoder(l)}, {"single", singleTables[l], charset.NewExtDecoder(l)}} {
			if k.table == nil && k.kind == "locking" && Language(l) == Spanish {
				continue // A.3.2 is void
			}
			for i, r := range k.table.runes {
				place := fmt.Sprintf("%s %d %02X", k.kind, l, i)
				if want, ok := k.want[byte(i)]; ok && (i == '\r' && k.kind == "single" || i == escape) {
					continue // control characters: they write CR or LF, and the escape itself
				} else if !ok && r != utf8.RuneError || ok && want != r {
					if !theirs[place] {
						t.Errorf("%s is %q; they have %q", place, r, want)
					}
					delete(theirs, place)
				}
			}
		}
	}
	if len(theirs) > 0 {
		t.Errorf("no difference any more: %v", theirs)
	}
}

// TestLanguages writes a sentence of each language, long enough that UCS2 takes
// more parts, and says which tables it takes and what it costs.
func TestLanguages(t *testing.T) {
	for _, tc := range []struct {
		language        Language
		locking, single Language
		parts           int
		text            string
	}{
		{Turkish, NoLanguage, Turkish, 1, "Sayın müşterimiz, hesabınızdan 250,00 TL çekilmiştir. Kalan bakiyeniz 1.320,45 TL. İşlem sizin değilse hemen bize ulaşın."},
		{Turkish, Turkish, NoLanguage, 1, "Şifreniz üç kez yanlış girildiği için hesabınız geçici olarak kilitlenmiştir. Açtırmak için kimliğinizle şubeye başvurunuz; işlem ücretsizdir. İyi günler"},
		{Spanish, NoLanguage, Spanish, 1, "Usted recibió 150,00 de María Núñez. Su próximo límite es de 500,00. Si no reconoce esta operación, llámenos al número gratuito."},
		{Portuguese, NoLanguage, Portuguese, 1, "Você recebeu 2.500,00 MT de João Conceição. Não partilhe o seu código. O seu saldo é de 3.120,50 MT. Operação concluída às 14:05."},
		{Bengali, Bengali, NoLanguage, 1, "আপনার হিসাবে 500 টাকা জমা হয়েছে. বর্তমান ব্যালেন্স 1250 টাকা. লেনদেন নম্বর 48213. ধন্যবাদ, আবার আসবেন."},
		{Gujarati, Gujarati, NoLanguage, 1, "તમારા ખાતામાં 500 રૂપિયા જમા થયા છે. હાલની બાકી રકમ 1250 રૂપિયા છે. વ્યવહાર નંબર 48213. આભાર."},
		{Hindi, Hindi, NoLanguage, 1, "आपके खाते में 500 रुपये जमा हुए हैं. शेष राशि 1250 रुपये है. लेनदेन संख्या 48213. यह आपने नहीं किया तो बैंक को बताएं."},
		{Hindi, Hindi, Hindi, 1, "आपके खाते में ५०० रुपये जमा हुए हैं। शेष राशि १२५० रुपये है। लेनदेन संख्या ४८२१३। धन्यवाद।"},
		{Kannada, Kannada, NoLanguage, 1, "ನಿಮ್ಮ ಖಾತೆಗೆ 500 ರೂಪಾಯಿ ಜಮಾ ಆಗಿದೆ. ಉಳಿದ ಮೊತ್ತ 1250 ರೂಪಾಯಿ. ವ್ಯವಹಾರ ಸಂಖ್ಯೆ 48213. ಧನ್ಯವಾದಗಳು."},
		{Malayalam, Malayalam, Malayalam, 1, "നിങ്ങളുടെ അക്കൗണ്ടിൽ 500 രൂപ നിക്ഷേപിച്ചു. ബാക്കി തുക 1250 രൂപ. ഇടപാട് നമ്പർ 48213. നന്ദി."},
		{Oriya, Oriya, NoLanguage, 1, "ଆପଣଙ୍କ ଖାତାରେ 500 ଟଙ୍କା ଜମା ହୋଇଛି. ଅବଶିଷ୍ଟ ରାଶି 1250 ଟଙ୍କା. କାରବାର ନମ୍ବର 48213. ବନ୍ଧୁ, ଆଭାରୀ."},
		{Punjabi, Punjabi, NoLanguage, 1, "ਤੁਹਾਡੇ ਖਾਤੇ ਵਿਚ 500 ਰੁਪਏ ਜਮ੍ਹਾ ਹੋਏ ਹਨ. ਬਾਕੀ ਰਕਮ 1250 ਰੁਪਏ ਹੈ. ਲੈਣ ਦੇਣ ਨੰਬਰ 48213. ਮਿਹਰਬਾਨੀ."},
		{Tamil, Tamil, NoLanguage, 1, "உங்கள் கணக்கில் 500 ரூபாய் வரவு வைக்கப்பட்டது. மீதி 1250 ரூபாய். பரிவர்த்தனை எண் 48213. நன்றி."},
		{Telugu, Telugu, NoLanguage, 1, "మీ ఖాతాలో 500 రూపాయలు జమ అయ్యాయి. మిగిలిన మొత్తం 1250 రూపాయలు. లావాదేవీ సంఖ్య 48213. ధన్యవాదాలు."},
		{Urdu, Urdu, Urdu, 1, "آپ کے کھاتے میں 500 روپے جمع ہو گیا، باقی رقم 1250 روپے ہے۔ لین دین نمبر 48213۔ شکریہ، خدا حافظ۔"},
	} {
		a := Alphabets{Languages: []Language{tc.language}}
		e := Encode(tc.text, a, 1)
		ucs2 := writer{encoding: Encoding{Alphabet: AlphabetUCS2}}.plan(tc.text).parts
		if e.Coding != CodingDefault || len(e.Parts) != tc.parts || ucs2 <= tc.parts {
			t.Errorf("%v: coding %d, %d parts; UCS2 takes %d", tc.language, e.Coding, len(e.Parts), ucs2)
			continue
		}
		got, err := EncodingOf(&Message{ESMClass: ESMClassUDHI, Payload: e.Parts[0]}, 0)
		if want := (Encoding{AlphabetGSM, tc.locking, tc.single}); got != want || err != nil {
			t.Errorf("%v: %+v, %v, want %+v", tc.language, got, err, want)
		}
		if back := join(t, e, a); back != tc.text {
			t.Errorf("%v: %q came back as %q", tc.language, tc.text, back)
		}
		if other := Encode(tc.text, Alphabets{}, 1); other.Coding != CodingUCS2 || len(other.Parts) != ucs2 {
			t.Errorf("%v, not allowed: coding %d, %d parts", tc.language, other.Coding, len(other.Parts))
		}
	}
}

func TestTransliterate(t *testing.T) {
	gsm := writer{encoding: Encoding{Alphabet: AlphabetGSM}}
	for r, s := range transliterations {
		if gsm.has(r) {
			t.Errorf("%q is replaced, and need not be", r)
		}
		for _, c := range s {
			if !gsm.has(c) {
				t.Errorf("%q becomes %q, which GSM 03.38 does not have", r, s)
			}
		}
	}
	for _, tc := range []struct{ text, want string }{
		{"“Don’t” – wait…\u00A0now", `"Don't" - wait... now`},
		{"ﬁne, coﬀee", "fine, coffee"},
		{"e\u0301 A\u030A \u212B \u2126", "é Å Å Ω"},
		{"so\u00ADft", "soft"},
		{"ç œ ı Α x² 1×2 a\u200Db", "ç œ ı Α x² 1×2 a\u200Db"}, // not the same: left as they are
		{"[|] €", "[|] €"},
	} {
		if got := transliterate(tc.text, gsm.has); got != tc.want {
			t.Errorf("%q became %q, want %q", tc.text, got, tc.want)
		}
	}
	// Where the alphabet has a character it stays.
	pt := writer{encoding: Encoding{Alphabet: AlphabetGSM, Locking: Portuguese}}
	if got := transliterate("`’", pt.has); got != "`'" {
		t.Errorf("in Portuguese: %q", got)
	}
}
