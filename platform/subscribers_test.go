package platform

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

var testLanguages = []string{"en", "fr", "sw", "pt"}

func readRows(text string) (rows []Subscriber, n int, err error) {
	n, err = ReadSubscribers(strings.NewReader(text), "bank", testLanguages, func(batch []Subscriber) error {
		rows = append(rows, batch...) // copies: the batch is used again
		return nil
	})
	return rows, n, err
}

func TestReadSubscribers(t *testing.T) {
	rows, n, err := readRows(subscriberColumns + "\n+263771000001,648010000000001,bank,en,active\n263771000002, 648010000000002,bank,pt,blocked\n")
	want := []Subscriber{
		{MSISDN: "263771000001", IMSI: "648010000000001", Bank: "bank", Language: "en", Status: Active},
		{MSISDN: "263771000002", IMSI: "648010000000002", Bank: "bank", Language: "pt", Status: Blocked},
	}
	if err != nil || n != 2 || !slices.Equal(rows, want) {
		t.Errorf("got %+v, %d, %v", rows, n, err)
	}
}

// What is wrong is said with its line, and nothing after it is written.
func TestReadSubscribersRefuses(t *testing.T) {
	const good = "263771000001,648010000000001,bank,en,active\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "line 1: want the header"},
		"no header":        {good, "line 1: want the header"},
		"another header":   {"msisdn,imsi,bank,language,state\n" + good, "line 1: want the header"},
		"local number":     {subscriberColumns + "\n" + good + "0771000002,648010000000002,bank,en,active\n", "line 3: msisdn"},
		"letters":          {subscriberColumns + "\n26377100000A,648010000000002,bank,en,active\n", "line 2: msisdn"},
		"long number":      {subscriberColumns + "\n2637710000012345,648010000000002,bank,en,active\n", "line 2: msisdn"},
		"no IMSI":          {subscriberColumns + "\n263771000002,,bank,en,active\n", "line 2: imsi"},
		"another bank":     {subscriberColumns + "\n" + good + good + "263771000002,648010000000002,other,en,active\n", `line 4: bank "other"`},
		"unknown language": {subscriberColumns + "\n263771000002,648010000000002,bank,xx,active\n", "line 2: language"},
		"unknown status":   {subscriberColumns + "\n263771000002,648010000000002,bank,en,asleep\n", "line 2: status"},
		"too few fields":   {subscriberColumns + "\n" + good + "263771000002,648010000000002,bank\n", "line 3"},
		"open quote":       {subscriberColumns + "\n\"263771000002,648010000000002,bank,en,active\n", "line"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, _, err := readRows(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if len(rows) != 0 {
				t.Errorf("%d rows of a faulty batch were handed on", len(rows))
			}
		})
	}
}

// A failure of the store ends it, and says how many rows are in.
func TestReadSubscribersStops(t *testing.T) {
	var text bytes.Buffer
	if err := GenerateSubscribers(&text, 2500, "263", "bank", testLanguages); err != nil {
		t.Fatal(err)
	}
	calls := 0
	n, err := ReadSubscribers(&text, "bank", testLanguages, func([]Subscriber) error {
		if calls++; calls == 2 {
			return errors.New("away")
		}
		return nil
	})
	if n != 1000 || err == nil {
		t.Errorf("got %d, %v; want 1000 rows in", n, err)
	}
}

// What is generated can be imported, and numbers and SIMs are all different.
func TestGenerateSubscribers(t *testing.T) {
	var text bytes.Buffer
	if err := GenerateSubscribers(&text, 2500, "263", "bank", testLanguages); err != nil {
		t.Fatal(err)
	}
	rows, n, err := readRows(text.String())
	if err != nil || n != 2500 {
		t.Fatalf("%d rows, %v", n, err)
	}
	numbers, sims := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		numbers[r.MSISDN], sims[r.IMSI] = true, true
	}
	if len(numbers) != 2500 || len(sims) != 2500 {
		t.Errorf("%d numbers and %d SIMs in 2500 rows", len(numbers), len(sims))
	}
}
