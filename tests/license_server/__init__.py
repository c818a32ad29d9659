"""The exchange with the License Server, and every fault that it may meet."""
