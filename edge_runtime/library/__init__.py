"""Device models that come over the network: signed manifests, downloads that resume, versions on trial, memory."""
