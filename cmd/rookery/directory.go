package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/magiconair/properties"

	"rookery/core/controller"
)

// metaName is the file that says whose a log directory is, as in Kafka.
const metaName = "meta.properties"

const (
	otherDir = "name another directory (dev: --data-dir DIR, server: --set log.dirs=DIR)"
	ownDir   = "the user that the broker runs as must be able to read and write there: see whose it is (ls -la)"
)

// identity is what meta.properties (version 1, KRaft) says.
type identity struct {
	ClusterID   string
	NodeID      int32
	DirectoryID string
}

// newID is a random UUID in Kafka's letters (base64url, no padding). Kafka never makes one that begins with a dash,
// which a command line would take for a flag.
func newID() string {
	for {
		var b [16]byte
		rand.Read(b[:]) // never fails
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		if id := encodeID(b); id[0] != '-' {
			return id
		}
	}
}

func encodeID(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// parseID is newID backwards.
func parseID(id string) ([16]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(b) != 16 {
		return [16]byte{}, fmt.Errorf("%q is not a UUID in 22 letters of base64url", id)
	}
	return [16]byte(b), nil
}

// readIdentity reads a directory's meta.properties; fs.ErrNotExist when it has none.
func readIdentity(dir string) (identity, error) {
	file := filepath.Join(dir, metaName)
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return identity{}, advise(otherDir, "%s is not a directory: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return identity{}, advise(ownDir+"; or "+otherDir, "%w", err)
	case err != nil:
		return identity{}, err
	}
	p, err := properties.Load(text, properties.UTF8)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %w", file, err)
	}
	node, err := strconv.ParseInt(p.GetString("node.id", ""), 10, 32)
	id := identity{p.GetString("cluster.id", ""), int32(node), p.GetString("directory.id", "")}
	switch version := p.GetString("version", "none"); {
	case version != "1":
		return id, fmt.Errorf("%s: version is %s, and 1 is the one we read (0 is ZooKeeper's)", file, version)
	case err != nil:
		return id, fmt.Errorf("%s: node.id: %w", file, err)
	case id.ClusterID == "":
		return id, fmt.Errorf("%s: no cluster.id", file)
	}
	directory, err := parseID(id.DirectoryID)
	if err == nil && controller.IsReserved(directory) {
		err = advise("give it another: 22 letters of base64url; until then it has belonged to nobody", "%s is reserved", id.DirectoryID)
	}
	if err != nil {
		return id, fmt.Errorf("%s: directory.id: %w", file, err)
	}
	return id, nil
}

// writeIdentity makes a directory and its meta.properties, all of it on the disk before it returns: a power cut leaves
// the whole file or none.
func writeIdentity(dir string, id identity) error {
	made, err := makeDirs(dir)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("#\n#%s\ncluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n",
		time.Now().UTC().Format("Mon Jan 02 15:04:05 UTC 2006"), id.ClusterID, id.DirectoryID, id.NodeID)
	file := filepath.Join(dir, metaName)
	if err := writeSynced(file+".tmp", text); err != nil {
		return err
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return err
	}
	for _, folder := range append([]string{dir}, made...) {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

// makeDirs makes a directory and what leads to it, and names the folders whose entries that changed.
func makeDirs(dir string) (changed []string, err error) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
		changed = append(changed, filepath.Dir(at))
	}
	return changed, os.MkdirAll(dir, 0o755)
}

func writeSynced(file, text string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// formatDirs gives every directory an identity, of one cluster. A directory that has one is left alone where that is
// wanted, and refused otherwise.
func formatDirs(s *settings, clusterID string, ignoreFormatted bool) (cluster string, made []string, err error) {
	var bare []string
	for _, dir := range s.Dirs {
		id, err := readIdentity(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := refuseForeign(dir); err != nil {
				return "", nil, err
			}
			bare = append(bare, dir)
			continue
		case err != nil:
			return "", nil, err
		case !ignoreFormatted:
			return "", nil, advise("to leave it as it is and format the others: --ignore-formatted",
				"%s is already formatted: cluster %s, node %d", dir, id.ClusterID, id.NodeID)
		case clusterID != "" && id.ClusterID != clusterID:
			return "", nil, advise("to join its cluster: --cluster-id "+id.ClusterID,
				"%s belongs to cluster %s, not to %s", dir, id.ClusterID, clusterID)
		}
		clusterID = id.ClusterID
	}
	if clusterID == "" {
		clusterID = newID()
	}
	for _, dir := range bare {
		if err := writeIdentity(dir, identity{clusterID, s.NodeID, newID()}); err != nil {
			return "", nil, advise(ownDir+"; or "+otherDir, "%s cannot be formatted: %w", dir, err)
		}
	}
	return clusterID, bare, nil
}

// refuseForeign keeps us out of a directory that holds something else.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); name != "lost+found" && name != ".lock" && !strings.HasPrefix(name, metaName) {
			return advise("name an empty or a new directory", "%s holds %s and no %s: it is not a log directory", dir, name, metaName)
		}
	}
	return nil
}

// unreachable says whether a directory is not there, or does not let itself be read: the others serve without it. One that is
// there and has no identity is a mistake of whoever named it.
func unreachable(dir string, err error) bool {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return false // it was read, and is not what it should be
	}
	_, missing := os.Stat(dir)
	return missing != nil || !errors.Is(err, fs.ErrNotExist)
}

// identify reads who we are from the directories, and refuses to run on anybody else's. A directory that cannot be reached,
// but the first, has no identity. The line that formats what is bare is the caller's to print: it differs between dev and
// server.
func identify(s *settings, formatLine func(clusterID string) string) ([]identity, error) {
	var ids []identity
	var bare string
	named := map[string]string{} // directories, by their ids
	for i, dir := range s.Dirs {
		id, err := readIdentity(dir)
		if i > 0 && unreachable(dir, err) {
			ids = append(ids, identity{})
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			bare = dir
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.NodeID >= 0 && id.NodeID != s.NodeID {
			return nil, advise(fmt.Sprintf("run as that node (--set node.id=%d), or name another directory (--set log.dirs=DIR)", id.NodeID),
				"%s belongs to node %d, and this is node %d", dir, id.NodeID, s.NodeID)
		}
		if len(ids) > 0 && id.ClusterID != ids[0].ClusterID {
			return nil, advise("take the one that is not this cluster's out of log.dirs",
				"%s belongs to cluster %s, and %s to cluster %s", dir, id.ClusterID, s.Dirs[0], ids[0].ClusterID)
		}
		if other, taken := named[id.DirectoryID]; taken {
			return nil, advise("one is a copy of the other: take it out of log.dirs", "%s and %s have one directory.id, %s", other, dir, id.DirectoryID)
		}
		named[id.DirectoryID] = dir
		ids = append(ids, id)
	}
	if bare != "" {
		cluster := ""
		if len(ids) > 0 {
			cluster = ids[0].ClusterID
		}
		return nil, advise("format it with: "+formatLine(cluster), "%s is not formatted", bare)
	}
	return ids, nil
}
