// Reads every response of a running service with the client that openapi-generator has made beside this file.
// Usage: java Main URL ADMIN_TOKEN

import org.openapitools.client.ApiClient;
import org.openapitools.client.api.ConfigurationApi;
import org.openapitools.client.api.FactsApi;
import org.openapitools.client.api.InsightApi;
import org.openapitools.client.api.LedgerApi;
import org.openapitools.client.api.OperationsApi;
import org.openapitools.client.api.TokensApi;
import org.openapitools.client.api.TransmissionsApi;
import org.openapitools.client.model.AnchorsInput;
import org.openapitools.client.model.TransmissionResponse;

public class Main {
    public static void main(String[] arguments) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(arguments[0]);
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));

        InsightApi insight = new InsightApi(client);
        long events = insight.getPreview().getFigures().getTotalEvents();
        System.out.println("Java: events of the open period: " + events);
        insight.getHealth();
        insight.getSource();
        insight.getDictionary();
        new ConfigurationApi(client).getConfig();
        FactsApi facts = new FactsApi(client);
        facts.getBouncers();
        facts.getLicense();
        new TokensApi(client).getTokens();
        LedgerApi ledger = new LedgerApi(client);
        ledger.getLedger(LedgerApi.APIGetLedgerRequest.newBuilder().limit(1000L).build());
        ledger.postVerify(LedgerApi.APIPostVerifyRequest.newBuilder().anchorsInput(new AnchorsInput()).build());
        OperationsApi operations = new OperationsApi(client);
        operations.getHealthz();
        operations.getReadyz();
        TransmissionsApi transmissions = new TransmissionsApi(client);
        int read = 0;
        var page = transmissions.getHistory(TransmissionsApi.APIGetHistoryRequest.newBuilder().limit(100L).build());
        for (TransmissionResponse one : page.getTransmissions()) {
            transmissions.getTransmission(one.getTransmissionId());
            if (one.getAttemptsMade() > 0) {
                transmissions.getMessage(one.getTransmissionId(), 1L);
            }
            read += 1;
        }
        System.out.println("Java: read the whole API, and transmissions: " + read);
    }
}
