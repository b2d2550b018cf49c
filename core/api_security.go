package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// Nobody is kept from anything here, and nobody has a password: requests about either get the answers of a Kafka that has
// no authorizer and no SCRAM credentials.

func noAuthorizer() *string { return kmsg.StringPtr("No Authorizer is configured.") }

func describeACLs(r *kmsg.DescribeACLsRequest) wire.Answer {
	answer := r.ResponseKind().(*kmsg.DescribeACLsResponse)
	answer.ErrorCode, answer.ErrorMessage = int16(wire.SecurityDisabled), kmsg.StringPtr("No Authorizer is configured on the broker") // its words here
	answer.Resources = []kmsg.DescribeACLsResponseResource{}
	return answer
}

func createACLs(r *kmsg.CreateACLsRequest) wire.Answer {
	answer := r.ResponseKind().(*kmsg.CreateACLsResponse)
	answer.Results = make([]kmsg.CreateACLsResponseResult, len(r.Creations))
	for i := range answer.Results {
		answer.Results[i] = kmsg.NewCreateACLsResponseResult()
		answer.Results[i].ErrorCode, answer.Results[i].ErrorMessage = int16(wire.SecurityDisabled), noAuthorizer()
	}
	return answer
}

func deleteACLs(r *kmsg.DeleteACLsRequest) wire.Answer {
	answer := r.ResponseKind().(*kmsg.DeleteACLsResponse)
	answer.Results = make([]kmsg.DeleteACLsResponseResult, len(r.Filters))
	for i := range answer.Results {
		answer.Results[i] = kmsg.NewDeleteACLsResponseResult()
		answer.Results[i].ErrorCode, answer.Results[i].ErrorMessage = int16(wire.SecurityDisabled), noAuthorizer()
		answer.Results[i].MatchingACLs = []kmsg.DeleteACLsResponseResultMatchingACL{}
	}
	return answer
}

// describeUserScramCredentials (50): a user who is named is not there, one who is named twice is a mistake first (KIP-554).
func describeUserScramCredentials(r *kmsg.DescribeUserSCRAMCredentialsRequest) wire.Answer {
	answer := r.ResponseKind().(*kmsg.DescribeUserSCRAMCredentialsResponse)
	answer.Results = []kmsg.DescribeUserSCRAMCredentialsResponseResult{}
	index := map[string]int{}
	for i := range r.Users {
		user := r.Users[i].Name
		if at, again := index[user]; again {
			describeScram(&answer.Results[at], wire.DuplicateResource, "Cannot describe SCRAM credentials for the same user twice in a single request: "+user)
			continue
		}
		index[user] = len(answer.Results)
		result := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		result.User, result.CredentialInfos = user, []kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{}
		describeScram(&result, wire.ResourceNotFound, "Attempt to describe a user credential that does not exist: "+user)
		answer.Results = append(answer.Results, result)
	}
	return answer
}

func describeScram(result *kmsg.DescribeUserSCRAMCredentialsResponseResult, code wire.Code, message string) {
	message = wire.Clip(message)
	result.ErrorCode, result.ErrorMessage = int16(code), &message
}
