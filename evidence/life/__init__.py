"""One life of one model: assess, plan, train, certify, repair and verify, each command's words recorded."""
