//! The options of an address do what they say, and others are refused by name.

use std::time::Duration;

use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::settings::{ConnectionSettings, SocketSettings};

fn endpoint(options: &str) -> Endpoint {
    format!("tcp://broker:61616?{options}").parse().unwrap()
}

#[test]
fn without_options_the_defaults_hold() {
    let settings = ConnectionSettings::for_dialing(&endpoint("")).unwrap();
    let wire_format =
        WireFormatOptions { host: Some("broker".to_owned()), ..WireFormatOptions::default() };
    assert_eq!(settings, ConnectionSettings { wire_format, ..ConnectionSettings::default() });
    assert_eq!(settings.connection_timeout, Some(Duration::from_secs(30)));
    let listening = ConnectionSettings::for_listening(&endpoint("")).unwrap();
    assert_eq!(listening, ConnectionSettings::default());
}

#[test]
fn every_option_arrives() {
    let options = "wireFormat.version=9&wireFormat.maxInactivityDuration=5000\
        &wireFormat.maxInactivityDurationInitalDelay=700&wireFormat.maxFrameSize=1048576\
        &wireFormat.maxFrameSizeEnabled=false&wireFormat.cacheEnabled=true&wireFormat.cacheSize=300\
        &wireFormat.tightEncodingEnabled=true&wireFormat.stackTraceEnabled=true\
        &connectionTimeout=1500&keepAlive=false&tcpNoDelay=false&socketBufferSize=65536";
    let settings = ConnectionSettings::for_dialing(&endpoint(options)).unwrap();
    assert_eq!(
        settings.wire_format,
        WireFormatOptions {
            version: 9,
            max_inactivity_duration: Duration::from_secs(5),
            max_inactivity_duration_initial_delay: Duration::from_millis(700),
            max_frame_size: 1_048_576,
            max_frame_size_enabled: false,
            cache_enabled: true,
            cache_size: 300,
            tight_encoding_enabled: true,
            stack_trace_enabled: true,
            host: Some("broker".to_owned()),
            ..WireFormatOptions::default()
        }
    );
    assert_eq!(settings.connection_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(
        settings.socket,
        SocketSettings { keep_alive: false, no_delay: false, buffer_size: Some(65536) }
    );
}

#[test]
fn zero_means_no_limit() {
    let options = "wireFormat.maxInactivityDuration=0&connectionTimeout=0";
    let settings = ConnectionSettings::for_dialing(&endpoint(options)).unwrap();
    assert_eq!(settings.wire_format.max_inactivity_duration, Duration::ZERO);
    assert_eq!(settings.connection_timeout, None);
}

#[test]
fn the_initial_delay_may_be_spelt_either_way() {
    let options = "wireFormat.maxInactivityDurationInitialDelay=700";
    let settings = ConnectionSettings::for_dialing(&endpoint(options)).unwrap();
    let delay = settings.wire_format.max_inactivity_duration_initial_delay;
    assert_eq!(delay, Duration::from_millis(700));
}

#[test]
fn no_delay_needs_both_of_its_options() {
    let options = "wireFormat.tcpNoDelayEnabled=false";
    let settings = ConnectionSettings::for_dialing(&endpoint(options)).unwrap();
    assert!(!settings.wire_format.tcp_no_delay);
    assert!(!settings.socket.no_delay);
}

#[test]
fn listeners_have_options_of_their_own_and_of_their_connections() {
    let options = "maximumConnections=1000&backlog=50&transport.keepAlive=false\
        &transport.wireFormat.maxFrameSize=1000&wireFormat.maxInactivityDuration=1000";
    let settings = ConnectionSettings::for_listening(&endpoint(options)).unwrap();
    assert_eq!(settings.maximum_connections, Some(1000));
    assert_eq!(settings.backlog, 50);
    assert!(!settings.socket.keep_alive);
    assert_eq!(settings.wire_format.max_frame_size, 1000);
    assert_eq!(settings.wire_format.max_inactivity_duration, Duration::from_secs(1));
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (options, problem) in [
        ("soLinger=5", "unknown option \"soLinger\""),
        ("keepalive=true", "unknown option \"keepalive\"; did you mean \"keepAlive\"?"),
        (
            "maxInactivityDuration=0",
            "unknown option \"maxInactivityDuration\"; \
             did you mean \"wireFormat.maxInactivityDuration\"?",
        ),
        ("maximumConnections=5", "unknown option \"maximumConnections\""),
        ("transport.keepAlive=true", "unknown option \"transport.keepAlive\"; did you mean"),
        (
            "wireFormat.version=13",
            "option \"wireFormat.version\" is \"13\", but must be a whole number",
        ),
        ("wireFormat.cacheSize=0", "option \"wireFormat.cacheSize\" is \"0\", but must be"),
        ("wireFormat.maxFrameSize=-1", "option \"wireFormat.maxFrameSize\" is \"-1\", but must be"),
        (
            "connectionTimeout=5s",
            "option \"connectionTimeout\" is \"5s\", but must be a number of ms",
        ),
        (
            "socketBufferSize=0",
            "option \"socketBufferSize\" is \"0\", but must be a number of bytes",
        ),
    ] {
        let error = ConnectionSettings::for_dialing(&endpoint(options)).unwrap_err().to_string();
        let problem = problem.replace("of ms", "of milliseconds");
        assert!(error.starts_with(&problem), "{options}: {error}");
        assert!(error.ends_with(&format!("in \"tcp://broker:61616?{options}\"")), "{error}");
    }
    let error = ConnectionSettings::for_listening(&endpoint("backlog=0")).unwrap_err().to_string();
    assert!(error.starts_with("option \"backlog\" is \"0\", but must be"), "{error}");
}
