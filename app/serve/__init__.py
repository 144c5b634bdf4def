"""Live results for other programs: WebSocket, MQTT, Lab Streaming Layer, JSON Lines. Needs no Qt."""
