package ussd

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"starhash/smpp"
)

// show is the screen of the state.
func (t *turn) show() Result {
	pages := t.pages()
	t.s.Page = max(0, min(t.s.Page, len(pages)-1))
	last := t.s.Page == len(pages)-1
	sc := t.m.Screens[t.s.Screen]
	end := last && (t.s.Screen == screenVerdict || sc != nil && sc.End)
	screen := &Screen{Text: pages[t.s.Page], End: end}
	if end {
		t.s = State{Screen: t.s.Screen, Done: true, Over: true}
	}
	return Result{State: t.s, Screen: screen, Secret: t.secret}
}

// pages are the texts that the state's screen takes; there is at least one, and
// all fit.
func (t *turn) pages() []string {
	var lines []string
	sc := t.m.Screens[t.s.Screen]
	if t.s.Reason != "" {
		lines = append(lines, t.w.reason(t.s.Reason, t))
	}
	if t.s.Text != "" {
		lines = append(lines, strings.Split(t.s.Text, "\n")...)
	}
	if t.s.Screen != screenVerdict {
		lines = append(lines, strings.Split(t.w.screen(t.s.Screen, t), "\n")...)
	}
	switch {
	case t.s.Screen == screenResume:
		lines = append(lines, "1 "+t.w.choices["go_on"].format(t), "2 "+t.w.choices["start_again"].format(t))
	case sc != nil:
		lines = append(lines, t.options(sc)...)
	}
	return paginate(lines, t.footer(sc), t.m.Keys.More.name+" "+t.w.keys["more"], t.w.ucs2)
}

// options are the lines to choose from.
func (t *turn) options(sc *screen) (lines []string) {
	for i, c := range sc.Choices {
		if c.When.holds(t.env, t.s.Values) {
			lines = append(lines, strconv.Itoa(i+1)+" "+t.w.choices[c.Text.name].format(t))
		}
	}
	if sc.List != nil {
		for i, item := range t.s.Items {
			lines = append(lines, strconv.Itoa(len(sc.Choices)+i+1)+" "+oneLine(t.w.clean(item.Label)))
		}
	}
	return lines
}

// footer is the line of keys. Back and home are named where they lead somewhere.
func (t *turn) footer(sc *screen) string {
	if sc == nil || sc.End {
		return ""
	}
	names := t.m.Footer
	if sc.Footer != nil {
		names = *sc.Footer
	}
	var parts []string
	for _, n := range names {
		if n.name == "back" && len(t.s.Trail) == 0 || n.name == "home" && len(t.s.Trail) == 1 {
			continue
		}
		parts = append(parts, t.m.Keys.named(n.name)+" "+t.w.keys[n.name])
	}
	return strings.Join(parts, " ")
}

// paginate puts lines on as many screens as they need, with footer on every one
// and more on all but the last. Lines stay whole where they fit a screen, then
// words, then characters.
func paginate(lines []string, footer, more string, ucs2 bool) (pages []string) {
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	moreFooter := strings.TrimSpace(footer + " " + more)
	for {
		room := budget(ucs2) - width(footer, ucs2) - min(1, len(footer))
		if n := fitting(lines, room, ucs2); n == len(lines) {
			return append(pages, join(lines, footer))
		}
		room = budget(ucs2) - width(moreFooter, ucs2) - 1
		n := fitting(lines, room, ucs2)
		page := slices.Clone(lines[:n])
		lines = lines[n:]
		// The line that is left may not fit any screen: then it is cut here.
		if width(lines[0], ucs2) > room {
			used := 0
			for _, l := range page {
				used += width(l, ucs2) + 1
			}
			if head, tail := split(lines[0], room-used, len(page) == 0, ucs2); head != "" {
				page = append(page, head)
				lines = append([]string{tail}, lines[1:]...)
			}
		}
		pages = append(pages, join(page, moreFooter))
	}
}

func join(lines []string, footer string) string {
	if footer != "" {
		lines = append(slices.Clip(lines), footer)
	}
	return strings.Join(lines, "\n")
}

// fitting is how many of the lines fit.
func fitting(lines []string, room int, ucs2 bool) int {
	for i, l := range lines {
		if room -= width(l, ucs2); room < 0 {
			return i
		}
		room-- // the line end
	}
	return len(lines)
}

// split cuts a line between words so that the head fits; between characters if
// the first word does not and there has to be a head.
func split(line string, room int, must, ucs2 bool) (head, tail string) {
	used, blank, cut := 0, -1, len(line)
	for i, r := range line {
		if r == ' ' {
			blank = i
		}
		if used += width(string(r), ucs2); used > room {
			cut = i
			break
		}
	}
	switch {
	case blank > 0:
		return line[:blank], strings.TrimLeft(line[blank:], " ")
	case must:
		if cut == 0 { // no room at all: a loaded menu leaves some
			_, cut = utf8.DecodeRuneInString(line)
		}
		return line[:cut], line[cut:]
	}
	return "", line
}

// budget is the room on a screen, in the units of width.
func budget(ucs2 bool) int {
	if ucs2 {
		return ScreenUCS2
	}
	return ScreenSeptets
}

// asciiSeptets are the septets of ASCII characters, 0 for those that GSM 03.38 does
// not have: lists are measured line by line at every step.
var asciiSeptets = func() (n [utf8.RuneSelf]byte) {
	for r := range n {
		septets, _ := smpp.Septets(string(rune(r)))
		n[r] = byte(septets)
	}
	return n
}()

// width is the septets of a text in GSM 03.38, or the 16-bit units in UCS2.
func width(s string, ucs2 bool) (n int) {
	if !ucs2 {
		for _, r := range s {
			if r < utf8.RuneSelf {
				n += int(asciiSeptets[r])
			} else {
				w, _ := smpp.Septets(string(r))
				n += w
			}
		}
		return n
	}
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// screen is the text of a screen; a screen without one, of a menu that is not
// checked, has a blank.
func (w *words) screen(name string, t *turn) string { return w.screens[name].format(t) }

func (w *words) reason(key string, t *turn) string { return w.reasons[key].format(t) }

// format writes a text with the values of a turn.
func (x text) format(t *turn) string {
	if len(x) == 1 && x[0].placeholder == "" {
		return x[0].literal
	}
	var b strings.Builder
	for _, s := range x {
		literal := s.literal
		if b.Len() > 0 && strings.HasSuffix(b.String(), " ") { // after an empty value
			literal = strings.TrimPrefix(literal, " ")
		}
		b.WriteString(literal)
		if s.placeholder != "" {
			b.WriteString(oneLine(t.w.clean(t.value(s.placeholder).shown())))
		}
	}
	return b.String()
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// clean makes of a value what the language's alphabet can show: letters of other
// alphabets lose their accents or become "?", and control characters but line
// ends become blanks.
func (w *words) clean(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] < utf8.RuneSelf && asciiSeptets[s[i]] > 0
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		if w.ucs2 || in0338(r) {
			return r
		}
		if r = unaccent(r); in0338(r) {
			return r
		}
		return '?'
	}, s)
}

func in0338(r rune) bool {
	_, ok := smpp.Septets(string(r))
	return ok
}

// unaccent is the letter without its accents, if it is one with accents.
func unaccent(r rune) rune {
	var b [utf8.UTFMax]byte
	d := norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).Decomposition()
	if base, size := utf8.DecodeRune(d); size > 0 {
		return base
	}
	return r
}
