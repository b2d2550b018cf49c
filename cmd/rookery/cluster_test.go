package main

import (
	"encoding/json"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestClusterDescribe: who is there, at the address by which a client came.
func TestClusterDescribe(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, dir, "broker.rack=shelf")
	id, err := readIdentity(dir)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(r.address)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	var d clusterDescription
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "cluster", "describe", "-o", "json")), &d))
	require.Equal(t, clusterDescription{id.ClusterID, 1, []brokerRow{{1, host, int32(number), "shelf"}}}, d)
	require.Regexp(t, `^cluster `+id.ClusterID+`, 1 broker, controller 1\nNODE +HOST +PORT +RACK\n1 +`+host+` +`+port+` +shelf\n$`,
		r.ask(t, "", "cluster", "describe"))
}
