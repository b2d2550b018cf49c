package outside

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	securityDisabled  int16 = 54
	resourceNotFound  int16 = 91
	duplicateResource int16 = 92
)

// DescribeACLs asks for any ACL.
func DescribeACLs() *kmsg.DescribeACLsRequest {
	r := kmsg.NewPtrDescribeACLsRequest()
	r.ResourceType, r.ResourcePatternType, r.Operation, r.PermissionType = 1, 1, 1, 1
	return r
}

// CreateACLs wants n ACLs.
func CreateACLs(n int) *kmsg.CreateACLsRequest {
	r := kmsg.NewPtrCreateACLsRequest()
	for range n {
		x := kmsg.NewCreateACLsRequestCreation()
		x.ResourceType, x.ResourceName, x.ResourcePatternType = kmsg.ACLResourceTypeTopic, "topic", kmsg.ACLResourcePatternTypeLiteral
		x.Principal, x.Host, x.Operation, x.PermissionType = "User:me", "*", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow
		r.Creations = append(r.Creations, x)
	}
	return r
}

// DeleteACLs wants any ACL gone, n times.
func DeleteACLs(n int) *kmsg.DeleteACLsRequest {
	r := kmsg.NewPtrDeleteACLsRequest()
	for range n {
		x := kmsg.NewDeleteACLsRequestFilter()
		x.ResourceType, x.ResourcePatternType, x.Operation, x.PermissionType = 1, 1, 1, 1
		r.Filters = append(r.Filters, x)
	}
	return r
}

// DescribeScram asks for the credentials of some users, of all if none is named.
func DescribeScram(users ...string) *kmsg.DescribeUserSCRAMCredentialsRequest {
	r := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	for _, name := range users {
		r.Users = append(r.Users, kmsg.DescribeUserSCRAMCredentialsRequestUser{Name: name})
	}
	return r
}

// TestACLsAreDisabled: one refusal for each creation and each filter, so that an empty request has none.
func TestACLsAreDisabled(t *testing.T) {
	c := Dial(t, Start(t, binaryPath, t.TempDir()))
	for version := int16(1); version <= 3; version++ {
		described := c.Ask(t, DescribeACLs(), version).(*kmsg.DescribeACLsResponse)
		require.Equal(t, securityDisabled, described.ErrorCode)
		require.Equal(t, "No Authorizer is configured on the broker", *described.ErrorMessage)
		require.Empty(t, described.Resources)

		require.Empty(t, c.Ask(t, CreateACLs(0), version).(*kmsg.CreateACLsResponse).Results)
		created := c.Ask(t, CreateACLs(2), version).(*kmsg.CreateACLsResponse)
		require.Len(t, created.Results, 2)
		require.Equal(t, [2]int16{securityDisabled, securityDisabled}, [2]int16{created.Results[0].ErrorCode, created.Results[1].ErrorCode})

		require.Empty(t, c.Ask(t, DeleteACLs(0), version).(*kmsg.DeleteACLsResponse).Results)
		removed := c.Ask(t, DeleteACLs(1), version).(*kmsg.DeleteACLsResponse)
		require.Len(t, removed.Results, 1)
		require.Equal(t, securityDisabled, removed.Results[0].ErrorCode)
		require.Empty(t, removed.Results[0].MatchingACLs)
	}
}

// TestAnUnknownACLClosesTheConnection: a filter that asks for UNKNOWN things cannot be answered.
func TestAnUnknownACLClosesTheConnection(t *testing.T) {
	n := Start(t, binaryPath, t.TempDir())
	unknown := DescribeACLs()
	unknown.ResourceType = kmsg.ACLResourceTypeUnknown
	for version := int16(1); version <= 3; version++ {
		c := Dial(t, n)
		c.Send(unknown, version)
		c.Closed(t, "a filter with an UNKNOWN resource type")
	}
	require.Zero(t, Dial(t, n).Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ErrorCode)
}

func TestThereAreNoScramCredentials(t *testing.T) {
	c := Dial(t, Start(t, binaryPath, t.TempDir()))
	all := c.Ask(t, DescribeScram(), 0).(*kmsg.DescribeUserSCRAMCredentialsResponse)
	require.Zero(t, all.ErrorCode)
	require.Empty(t, all.Results)
	some := c.Ask(t, DescribeScram("a", "b", "a"), 0).(*kmsg.DescribeUserSCRAMCredentialsResponse)
	require.Zero(t, some.ErrorCode)
	require.Len(t, some.Results, 2)
	require.Equal(t, []any{"a", duplicateResource}, []any{some.Results[0].User, some.Results[0].ErrorCode})
	require.Equal(t, []any{"b", resourceNotFound}, []any{some.Results[1].User, some.Results[1].ErrorCode})
}
