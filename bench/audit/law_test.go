package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A trace of one produce to t-0 over the connection from port 4000, correlation id 7. The data of the append is a
// batch header of base offset 5 with a length of 1.
const (
	makeFolder  = `1 1.0 mkdirat(AT_FDCWD</>, "/d/t-0", 0755) = 0` + "\n"
	makeFile    = `1 1.1 openat(AT_FDCWD</>, "/d/t-0/00.log", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 5</d/t-0/00.log>` + "\n"
	syncRoot    = `1 1.2 fsync(6</d>) = 0` + "\n"
	syncFolder  = `1 1.3 fsync(7</d/t-0>) = 0` + "\n"
	appendBatch = `2 1.4 pwrite64(5</d/t-0/00.log>, "\0\0\0\0\0\0\0\5\0\0\0\1x", 13, 0) = 13` + "\n"
	syncFile    = `3 1.5 fdatasync(5</d/t-0/00.log>) = 0` + "\n"
	answer      = `2 1.6 writev(9<TCP:[127.0.0.1:9092->127.0.0.1:4000]>, [{iov_base="\0\0\0\5\0\0\0\7", iov_len=8}, {iov_base="!", iov_len=1}], 2) = 9` + "\n"
)

func judge(t *testing.T, trace string) error {
	t.Helper()
	calls, err := parseTrace(strings.NewReader(trace))
	require.NoError(t, err)
	e, err := understand(calls, "/d", 9092)
	require.NoError(t, err)
	return e.checkProduce(produced{answerKey{4000, 7}, "t", 0, 5})
}

func TestDurableProducePasses(t *testing.T) {
	require.NoError(t, judge(t, makeFolder+makeFile+syncRoot+syncFolder+appendBatch+syncFile+answer))
	require.NoError(t, judge(t, makeFolder+syncRoot+makeFile+appendBatch+syncFolder+syncFile+answer), "the folder may be synced beside the file")
}

func TestEachBrokenPromiseIsSeen(t *testing.T) {
	names := makeFolder + makeFile + syncRoot + syncFolder
	begun := strings.Replace(syncFile, ") = 0", " <unfinished ...>", 1)
	ended := "3 1.9 <... fdatasync resumed>) = 0\n"
	failed := strings.Replace(syncFile, "= 0", "= -1 EIO (Input/output error)", 1)
	appendBegun := "2 1.35 pwrite64(5</d/t-0/00.log>, \"\\0\\0\\0\\0\\0\\0\\0\\5\\0\\0\\0\\1x\", 13, 0 <unfinished ...>\n"
	appendEnded := "2 1.55 <... pwrite64 resumed>) = 13\n"
	for _, c := range []struct{ name, trace, want string }{
		{"no sync", names + appendBatch + answer, "no sync of /d/t-0/00.log"},
		{"sync before the append", names + syncFile + appendBatch + answer, "no sync of /d/t-0/00.log"},
		{"sync after the answer", names + appendBatch + answer + syncFile, "no sync of /d/t-0/00.log"},
		{"sync came back after the answer", names + appendBatch + begun + answer + ended, "no sync of /d/t-0/00.log"},
		{"sync asked for during the append", names + appendBegun + syncFile + appendEnded + answer, "no sync of /d/t-0/00.log"},
		{"sync failed", names + appendBatch + failed + answer, "no sync of /d/t-0/00.log"},
		{"file's name not synced", makeFolder + makeFile + syncRoot + appendBatch + syncFile + answer, "folder of /d/t-0/00.log"},
		{"folder's name not synced", makeFolder + makeFile + syncFolder + appendBatch + syncFile + answer, "folder of /d/t-0 "},
		{"folder synced before the create", makeFolder + syncRoot + syncFolder + makeFile + appendBatch + syncFile + answer, "folder of /d/t-0/00.log"},
		{"no append", names + syncFile + answer, "no append"},
		{"no answer", names + appendBatch + syncFile, "answer is not in the trace"},
	} {
		t.Run(c.name, func(t *testing.T) { require.ErrorContains(t, judge(t, c.trace), c.want) })
	}
}

func TestOverlappingCallsKeepTheirOrder(t *testing.T) {
	names := makeFolder + makeFile + syncRoot + syncFolder
	require.NoError(t, judge(t, names+appendBatch+
		"3 1.5 fdatasync(5</d/t-0/00.log> <unfinished ...>\n2 1.51 openat(AT_FDCWD</>, \"/d/x\", O_RDONLY) = 3</d/x>\n3 1.52 <... fdatasync resumed>) = 0\n"+answer))

	// a file is made in a folder that is there, though who made that has not come back yet
	making := strings.Replace(makeFolder, ") = 0", " <unfinished ...>", 1) + strings.Replace(makeFile, "1 ", "2 ", 1) + "1 1.12 <... mkdirat resumed>) = 0\n"
	require.NoError(t, judge(t, making+syncRoot+syncFolder+appendBatch+syncFile+answer))
	require.ErrorContains(t, judge(t, making+syncFolder+appendBatch+syncFile+answer), "folder of /d/t-0 ")
}

func TestRenameNeedsASyncOfItsFolder(t *testing.T) {
	tmp := strings.ReplaceAll(makeFile, "00.log", "00.tmp")
	rename := `1 1.15 renameat(AT_FDCWD</>, "/d/t-0/00.tmp", AT_FDCWD</>, "/d/t-0/00.log") = 0` + "\n"
	require.NoError(t, judge(t, makeFolder+tmp+rename+syncRoot+syncFolder+appendBatch+syncFile+answer))
	require.ErrorContains(t, judge(t, makeFolder+tmp+syncRoot+syncFolder+rename+appendBatch+syncFile+answer), "folder of /d/t-0/00.log")
}

func TestStringsOfTheTrace(t *testing.T) {
	b, rest, err := unquote(`a\0\12\377\"\\\n1", 3`)
	require.NoError(t, err)
	require.Equal(t, "a\x00\n\xff\"\\\n1", string(b))
	require.Equal(t, ", 3", rest)
	from, to := portsOf("TCPv6:[[::ffff:127.0.0.1]:9092->[::ffff:127.0.0.1]:40312]")
	require.Equal(t, []int{9092, 40312}, []int{from, to})
	_, err = (&call{name: "write", arguments: `5</d/x.log>, "abc"..., 90`}).data()
	require.ErrorContains(t, err, "too small")
}

func TestDeletionRestsOnARecordAndANewName(t *testing.T) {
	const (
		metadataFolder = `1 0.1 mkdirat(AT_FDCWD</>, "/d/__cluster_metadata-0", 0755) = 0` + "\n"
		metadataFile   = `1 0.2 openat(AT_FDCWD</>, "/d/__cluster_metadata-0/00.log", O_RDWR|O_CREAT, 0644) = 4</d/__cluster_metadata-0/00.log>` + "\n"
		syncNames      = `1 0.3 fsync(7</d/__cluster_metadata-0>) = 0` + "\n"
		record         = `2 2.0 pwrite64(4</d/__cluster_metadata-0/00.log>, "the mark", 8, 0) = 8` + "\n"
		syncRecord     = `2 2.1 fdatasync(4</d/__cluster_metadata-0/00.log>) = 0` + "\n"
		rename         = `2 2.2 renameat(AT_FDCWD</>, "/d/t-0", AT_FDCWD</>, "/d/t-0.x-delete") = 0` + "\n"
	)
	before := metadataFolder + metadataFile + syncNames + makeFolder + makeFile + syncRoot
	check := func(trace string, since float64) error {
		calls, err := parseTrace(strings.NewReader(trace))
		require.NoError(t, err)
		e, err := understand(calls, "/d", 9092)
		require.NoError(t, err)
		return e.checkDeletion(recorded{"deletion", "mark", since, answerKey{4000, 7}}, "t", 1)
	}
	require.NoError(t, check(before+record+syncRecord+rename+syncRoot+answer, 1.9))
	require.ErrorContains(t, check(before+record+syncRecord+rename+answer, 1.9), "folder of /d/t-0.x-delete")
	require.ErrorContains(t, check(before+record+syncRecord+answer+rename+syncRoot, 1.9), "was not renamed yet")
	require.ErrorContains(t, check(before+record+rename+syncRoot+answer+syncRecord, 1.9), "no sync of /d/__cluster")
	require.ErrorContains(t, check(before+record+syncRecord+rename+syncRoot+answer, 2.05), "no record", "an older record proves nothing")
}
