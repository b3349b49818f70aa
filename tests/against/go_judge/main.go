// Command go_judge says of each claim on its standard input whether golang.org/x/mod/sumdb accepts it.
//
// A claim is one line of JSON, the answer one line: "ok" or "bad <reason>". Hashes, notes, entries and proof files are
// in base64. The hashing, the proofs and the signatures are judged by sumdb/tlog and sumdb/note; of its own this program
// only takes a checkpoint and a tlog-proof file apart, whose layouts those packages do not know.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type claim struct {
	Op      string   `json:"op"`
	Index   int64    `json:"index"`
	Size    int64    `json:"size"`
	Old     int64    `json:"old"`
	Leaf    string   `json:"leaf"`
	Entry   string   `json:"entry"`
	Root    string   `json:"root"`
	OldRoot string   `json:"old_root"`
	Proof   []string `json:"proof"`
	Note    string   `json:"note"`
	File    string   `json:"file"`
	Vkeys   []string `json:"vkeys"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var c claim
		err := json.Unmarshal(in.Bytes(), &c)
		if err == nil {
			err = judge(&c)
		}
		if err == nil {
			fmt.Fprintln(out, "ok")
		} else {
			fmt.Fprintf(out, "bad %q\n", err.Error())
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func judge(c *claim) error {
	switch c.Op {
	case "inclusion":
		return inclusion(c)
	case "consistency":
		return consistency(c)
	case "leaf":
		return leaf(c)
	case "checkpoint":
		size, root, err := checkpoint(c.Note, c.Vkeys)
		if err == nil && (size != c.Size || root.String() != c.Root) {
			return fmt.Errorf("the checkpoint is of size %d and root %s", size, root)
		}
		return err
	case "proof":
		return proofFile(c)
	}
	return fmt.Errorf("no such claim: %q", c.Op)
}

func hashes(texts []string) ([]tlog.Hash, error) {
	found := []tlog.Hash{}
	for _, text := range texts {
		h, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		found = append(found, h)
	}
	return found, nil
}

func inclusion(c *claim) error {
	fixed, err := hashes([]string{c.Root, c.Leaf})
	if err != nil {
		return err
	}
	proof, err := hashes(c.Proof)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, c.Size, fixed[0], c.Index, fixed[1])
}

func consistency(c *claim) error {
	fixed, err := hashes([]string{c.Root, c.OldRoot})
	if err != nil {
		return err
	}
	proof, err := hashes(c.Proof)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, c.Size, fixed[0], c.Old, fixed[1])
}

func leaf(c *claim) error {
	entry, err := base64.StdEncoding.DecodeString(c.Entry)
	if err != nil {
		return err
	}
	if tlog.RecordHash(entry).String() != c.Leaf {
		return errors.New("another leaf hash")
	}
	return nil
}

// checkpoint opens a signed note under the given keys and takes its three lines apart.
func checkpoint(data string, vkeys []string) (int64, tlog.Hash, error) {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	verifiers := []note.Verifier{}
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return 0, tlog.Hash{}, err
		}
		verifiers = append(verifiers, v)
	}
	opened, err := note.Open(raw, note.VerifierList(verifiers...))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return 0, tlog.Hash{}, errors.New("a checkpoint has three lines")
	}
	if lines[0] != opened.Sigs[0].Name {
		return 0, tlog.Hash{}, errors.New("the origin is not the name of the key")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return 0, tlog.Hash{}, errors.New("malformed size")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return 0, tlog.Hash{}, errors.New("malformed root")
	}
	return size, root, nil
}

// proofFile verifies a tlog-proof file for an entry: record hash, inclusion and the signature on the checkpoint.
func proofFile(c *claim) error {
	file, err := base64.StdEncoding.DecodeString(c.File)
	if err != nil {
		return err
	}
	entry, err := base64.StdEncoding.DecodeString(c.Entry)
	if err != nil {
		return err
	}
	at := bytes.Index(file, []byte("\n\n"))
	if at < 0 {
		return errors.New("no empty line")
	}
	size, root, err := checkpoint(base64.StdEncoding.EncodeToString(file[at+2:]), c.Vkeys)
	if err != nil {
		return err
	}
	lines := strings.Split(string(file[:at]), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	index, err := strconv.ParseInt(lines[0][len("index "):], 10, 64)
	if err != nil || "index "+strconv.FormatInt(index, 10) != lines[0] {
		return errors.New("malformed index")
	}
	proof, err := hashes(lines[1:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry))
}
