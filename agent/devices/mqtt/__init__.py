"""MQTT sensors and outputs, on aiomqtt."""
