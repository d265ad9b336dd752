package dialect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starhash/configs"
)

// maxFile bounds a dialect's file, in octets.
const maxFile = 64 << 10

// Load reads every .yaml file of the directories, one a dialect and named by it; a
// file of a later directory takes the place of an earlier one's. What is wrong comes
// as a *configs.Error, all of it. The keys are those of configs/dialects/plain.yaml;
// all have to be there, but in a file that says "like: plain", which has those of the
// dialect it names and its own over them.
func Load(directories ...fs.FS) (*Set, error) {
	all := &configs.Error{}
	files := map[string]*file{}
	for _, dir := range directories {
		names, err := fs.Glob(dir, "*.yaml")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			f := &file{name: name, errors: all}
			if err := f.parse(dir); err != nil {
				return nil, err
			}
			files[strings.TrimSuffix(name, ".yaml")] = f
		}
	}
	set := &Set{dialects: map[string]*Dialect{}}
	for name, f := range files {
		if chain := f.chain(files); chain != nil {
			r := &reader{file: f, chain: chain}
			set.dialects[name] = r.dialect(name)
		}
	}
	if len(all.Problems) > 0 {
		slices.SortStableFunc(all.Problems, func(a, b configs.Located) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
		})
		all.Problems = slices.Compact(all.Problems)
		return nil, all
	}
	if len(files) == 0 {
		return nil, errors.New("dialects: there is no .yaml file")
	}
	return set, nil
}

// file is a dialect's file as YAML.
type file struct {
	name   string
	root   *yaml.Node // nil: it is no YAML
	errors *configs.Error
}

func (f *file) report(line int, key, message, want string) {
	f.errors.Problems = append(f.errors.Problems, configs.Located{
		Problem: configs.Problem{Key: key, Message: message, Want: want}, File: f.name, Line: line,
	})
}

func (f *file) parse(dir fs.FS) error {
	in, err := dir.Open(f.name)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return err
	}
	if len(text) > maxFile {
		f.report(0, "", "is too large", fmt.Sprintf("at most %d octets", maxFile))
		return nil
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		message, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
		if n, _ := fmt.Sscanf(message, "line %d: ", &line); n == 1 {
			_, message, _ = strings.Cut(message, ": ")
		}
		f.report(line, "", "not YAML: "+message, "")
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		f.report(0, "", "is no dialect", "the keys of plain.yaml")
		return nil
	}
	f.root = doc.Content[0]
	return nil
}

// chain is f and the files that it is like, one after the other; nil when one of them
// is not there or has its own error.
func (f *file) chain(files map[string]*file) []*file {
	chain := []*file{f}
	for at := f; ; {
		if at.root == nil {
			return nil
		}
		like := lookup(at.root, "like")
		if like == nil {
			return chain
		}
		next := files[like.Value]
		switch {
		case like.Kind != yaml.ScalarNode || next == nil:
			at.report(like.Line, "like", fmt.Sprintf("there is no dialect %q", like.Value), "one of "+strings.Join(slices.Sorted(maps.Keys(files)), ", "))
			return nil
		case slices.Contains(chain, next):
			f.report(lookup(f.root, "like").Line, "like", "goes round in a circle", "a dialect that has all keys, such as plain, at its end")
			return nil
		}
		chain, at = append(chain, next), next
	}
}

// lookup is the value of a key in a section, nil when it has none.
func lookup(section *yaml.Node, key string) *yaml.Node {
	if section == nil || section.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(section.Content); i += 2 {
		if section.Content[i].Value == key {
			return section.Content[i+1]
		}
	}
	return nil
}
