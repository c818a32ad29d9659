// Reads every response of a running service with the client that openapi-generator has made around this file.
// Usage: client URL ADMIN_TOKEN
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	configuration := NewConfiguration()
	configuration.Servers = ServerConfigurations{{URL: os.Args[1]}}
	configuration.AddDefaultHeader("Authorization", "Bearer "+os.Args[2])
	client, ctx := NewAPIClient(configuration), context.Background()

	preview, _, err := client.InsightAPI.GetPreview(ctx).Execute()
	must("preview", err)
	fmt.Println("Go: events of the open period:", preview.Figures.TotalEvents)
	_, _, err = client.InsightAPI.GetHealth(ctx).Execute()
	must("health", err)
	_, _, err = client.InsightAPI.GetSource(ctx).Execute()
	must("source", err)
	_, _, err = client.InsightAPI.GetDictionary(ctx).Execute()
	must("dictionary", err)
	_, _, err = client.ConfigurationAPI.GetConfig(ctx).Execute()
	must("config", err)
	_, _, err = client.FactsAPI.GetBouncers(ctx).Execute()
	must("bouncers", err)
	_, _, err = client.FactsAPI.GetLicense(ctx).Execute()
	must("license", err)
	_, _, err = client.TokensAPI.GetTokens(ctx).Execute()
	must("tokens", err)
	_, _, err = client.LedgerAPI.GetLedger(ctx).Limit(1000).Execute()
	must("ledger", err)
	_, _, err = client.LedgerAPI.PostVerify(ctx).AnchorsInput(*NewAnchorsInput()).Execute()
	must("verify", err)
	_, _, err = client.OperationsAPI.GetHealthz(ctx).Execute()
	must("healthz", err)
	_, _, err = client.OperationsAPI.GetReadyz(ctx).Execute()
	must("readyz", err)
	history, _, err := client.TransmissionsAPI.GetHistory(ctx).Limit(100).Execute()
	must("history", err)
	for _, one := range history.Transmissions {
		_, _, err = client.TransmissionsAPI.GetTransmission(ctx, one.TransmissionId).Execute()
		must("transmission "+one.TransmissionId, err)
		if one.AttemptsMade > 0 {
			_, _, err = client.TransmissionsAPI.GetMessage(ctx, one.TransmissionId, 1).Execute()
			must("message "+one.TransmissionId, err)
		}
	}
	fmt.Println("Go: read the whole API, and transmissions:", len(history.Transmissions))
}

func must(name string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}
